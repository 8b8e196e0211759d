"""All writers of one node."""

from fleet.kernel.catalogue import KEYS
from fleet.kernel.keys_ipvs import IPVS_KEYS
from fleet.kernel.writers.kubelet import kubelet_writers
from fleet.kernel.writers.kubeproxy import kube_proxy_writers
from fleet.kernel.writers.network import network_writers
from fleet.kernel.writers.rancher import rancher_writers
from fleet.kernel.writers.tuned import tuned_writers
from fleet.kernel.writers.ufw import ufw_writers
from fleet.kernel.writers.unitlines import unit_writers
from fleet.kernel.writers.writer import Writer
from fleet.model.facts import NodeFacts

_FINDERS = (
    unit_writers,
    rancher_writers,
    kube_proxy_writers,
    kubelet_writers,
    tuned_writers,
    ufw_writers,
    network_writers,
)


def find_writers(facts: NodeFacts) -> tuple[Writer, ...]:
    """Everything known to write a key of the catalogue, or one that was asked for, after the files of the boot.

    The timeouts of IPVS count as keys. Each writer is named for something that runs, or is enabled, on the node itself;
    nothing is concluded from a distribution's name or from configuration that no process uses. Where the processes
    could not be read, only ufw can be found.
    """
    wanted = KEYS.keys() | facts.sysctls.keys() | {key.name for key in IPVS_KEYS}
    return tuple(writer for finder in _FINDERS for writer in finder(facts) if writer.key in wanted)
