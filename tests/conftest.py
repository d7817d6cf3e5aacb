"""For all tests."""

# pyinfra's command line has gevent replace the ssl module. Where requests was imported before that,
# its TLS connections recurse without end; the order of test modules must not decide that.
import pyinfra_cli  # noqa: F401

from groundcrew import post_quantum

# testinfra logs in with paramiko too.
post_quantum.install()
