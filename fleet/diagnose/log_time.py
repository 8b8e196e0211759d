"""The time that a line of a log tells, in the forms that are common."""

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(
    r"(?P<day>\d{4}[-/]\d\d[-/]\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
# Apache's and nginx's access logs: 20/Nov/2026:12:00:00 +0000
_ACCESS = re.compile(r"\b(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\b")
# A number in JSON, in seconds or in thousandths, millionths or billionths of one: "ts":1795176000.25
_EPOCH = re.compile(r'"(?:@?timestamp|time|ts|t)"\s*:\s*"?(?P<whole>\d{10,19})(?:\.(?P<part>\d{1,9}))?\b')
# Kubernetes' own: E1120 12:00:00.123456
_KLOG = re.compile(r"(?:^|[\s\"])[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d)\.(\d{6})\b")
# RFC 3164: Nov 20 12:00:00
_SYSLOG = re.compile(r"(?:^|[\s>])([A-Z][a-z]{2}) [ \d](\d) (\d\d:\d\d:\d\d)\b")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECONDS = 10
_DAY = timedelta(days=1)


def time_of(line: str, now: datetime) -> datetime | None:
    """When a line was written; one without a zone is taken for UTC, and one without a year for the past year's.

    Args:
        line: of a log.
        now: no line is from later than a day after it.
    """
    for read in (_iso, _access, _epoch):
        if (moment := read(line)) is not None:
            return moment
    return _without_year(line, now)


def _iso(line: str) -> datetime | None:
    match = _ISO.search(line)
    if match is None:
        return None
    part = f".{match['part'][:6].ljust(6, '0')}" if match["part"] else ""
    try:
        moment = datetime.fromisoformat(f"{match['day'].replace('/', '-')}T{match['time']}{part}{match['zone'] or ''}")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _access(line: str) -> datetime | None:
    match = _ACCESS.search(line)
    if match is None or match[1][3:6] not in _MONTHS:
        return None
    month = _MONTHS.index(match[1][3:6]) + 1
    try:
        return datetime.strptime(f"{match[1][:3]}{month:02}{match[1][6:]}", "%d/%m/%Y:%H:%M:%S %z")
    except ValueError:
        return None


def _epoch(line: str) -> datetime | None:
    match = _EPOCH.search(line)
    if match is None:
        return None
    # As many digits before the point as a number of seconds has in our time.
    digits = match["whole"] + (match["part"] or "")
    return datetime.fromtimestamp(float(f"{digits[:_SECONDS]}.{digits[_SECONDS:] or 0}"), UTC)


def _without_year(line: str, now: datetime) -> datetime | None:
    if match := _KLOG.search(line):
        month, day, time = int(match[1]), match[2], f"{match[3]}.{match[4]}"
    elif (match := _SYSLOG.search(line)) and match[1] in _MONTHS:
        start = match.start(2) - 1
        month, day, time = _MONTHS.index(match[1]) + 1, f"{line[start : match.end(2)].strip():>02}", match[3]
    else:
        return None
    for year in (now.year, now.year - 1):
        try:
            moment = datetime.fromisoformat(f"{year}-{month:02}-{day}T{time}+00:00")
        except ValueError:  # 29 February of another year, too
            continue
        if moment <= now + _DAY:
            return moment
    return None
