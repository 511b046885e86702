"""Options of everything that asks a coordinator through h8lctl."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  h8lctl:
    description: The program, a name on the PATH or a path.
    type: str
    default: h8lctl
  context_file:
    description:
      - The operator's context file, which holds the certificate and key to ask with.
      - Without it h8lctl looks where it always looks, the environment first.
    type: path
  context:
    description: Name of a stored context, instead of the current one.
    type: str
  timeout:
    description: How long the coordinator may take to answer, such as V(30s).
    type: str
    default: 30s
"""
