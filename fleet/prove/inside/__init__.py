"""The programs that run inside the throw-away namespaces: plain Python 3.9, nothing but the standard library.

They import only each other, so that the same files run on a node, or in a pod, that has no ``fleet``.
"""
