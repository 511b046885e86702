"""The fleet as an inventory."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
name: nodes
short_description: The nodes of an h8lio fleet
description:
  - Reads the nodes from the coordinator through h8lctl. Every node is a host.
  - "Hosts are grouped by what the coordinator knows: C(h8lio_online), C(h8lio_role_storage),
    C(h8lio_rack_r1) and so on. What the coordinator calls the node is in variables C(h8lio_*)."
  - What agents and operators wrote is data for Ansible and never a template.
  - A coordinator that does not answer is an error. Ansible itself goes on without the file all the same,
    unless C(any_unparsed_is_failed = true) stands in section C([inventory]) of C(ansible.cfg).
  - The file must be called C(*.h8lio.yml) or C(*.h8lio.yaml).
author: The h8lio authors
version_added: 0.1.0
extends_documentation_fragment:
  - h8lio.fleet.h8lctl
  - constructed
options:
  plugin:
    description: This plugin's name.
    type: str
    required: true
    choices: [h8lio.fleet.nodes]
  admissions:
    description: Nodes with other admissions are left out.
    type: list
    elements: str
    default: [Enrolled]
  network:
    description:
      - A network such as V(10.20.0.0/16). Hosts are reached at the address that they have in it.
      - Costs one more question for each node. Without it, hosts are reached by their names.
    type: str
"""

EXAMPLES = r"""
# production.h8lio.yml
plugin: h8lio.fleet.nodes
context: production
network: 10.20.0.0/16
keyed_groups:
  - key: h8lio_labels.generation | default('unknown')
    prefix: generation
"""

import ipaddress
import re

from ansible.errors import AnsibleParserError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import H8lctl, H8lctlError

# Variables of a host and the keys of `h8lctl node list` that they come from.
VARIABLES = {
    "h8lio_id": "id",
    "h8lio_admission": "admission",
    "h8lio_availability": "availability",
    "h8lio_scheduling": "scheduling",
    "h8lio_restriction": "restriction",
    "h8lio_roles": "roles",
    "h8lio_topology": "topology",
    "h8lio_labels": "labels",
    "h8lio_clusters": "clusters",
    "h8lio_conditions": "conditions",
    "h8lio_agent_version": "agentVersion",
}

# As the coordinator has it.
NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?\Z")

# The control node's own names, and names that a pattern would mistake for a group.
RESERVED = re.compile(r"(localhost|127\.0\.0\.1|all|ungrouped|h8lio|h8lio_.*)\Z")


def host_name(name):
    """A node's name when it can be a host's, else the reason for a person.

    Not every coordinator is honest, and a host called localhost would get what is delegated to the
    control node, the operator's context among it.
    """
    if not NAME.match(name):
        raise AnsibleParserError("the coordinator calls a node %r, which is no node's name" % name)
    if RESERVED.match(name):
        raise AnsibleParserError(
            "node %s is called as something else is in Ansible; decommission it and enroll it with another name" % name
        )
    return name


def groups_of(node):
    """Names of the groups that a node belongs to, before they are made fit for Ansible."""
    groups = ["h8lio", "h8lio_%s" % node["availability"].lower()]
    groups += ["h8lio_role_%s" % role for role in node["roles"]]
    for level in ("region", "datacenter", "zone", "rack"):
        place = (node.get("topology") or {}).get(level)
        if place:
            groups.append("h8lio_%s_%s" % (level, place))
    if node.get("restriction"):
        groups.append("h8lio_%s" % node["restriction"]["kind"])
    return groups


def address_in(network, detail):
    """The first address of a node inside a network, or None."""
    for interface in detail["inventory"].get("interfaces") or []:
        for text in interface.get("addresses") or []:
            address = ipaddress.ip_interface(to_text(text)).ip
            if address in network:
                return str(address)
    return None


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "h8lio.fleet.nodes"

    def verify_file(self, path):
        return super(InventoryModule, self).verify_file(path) and path.endswith((".h8lio.yml", ".h8lio.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        super(InventoryModule, self).parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            options = dict((n, self.get_option(n)) for n in ("h8lctl", "context_file", "context", "timeout"))
            ctl = H8lctl.of(options)
            network = self._network()
            for node in ctl.nodes():
                if node["admission"] in self.get_option("admissions"):
                    self._add(node, self._address(ctl, network, node))
        except H8lctlError as e:
            raise AnsibleParserError("cannot read the fleet: %s" % e)

    def _network(self):
        text = self.get_option("network")
        try:
            return ipaddress.ip_network(to_text(text)) if text else None
        except ValueError as e:
            raise AnsibleParserError("option network: %s" % e)

    @staticmethod
    def _address(ctl, network, node):
        return address_in(network, ctl.ask("node", "show", node["id"])) if network else None

    def _add(self, node, address):
        host = self.inventory.add_host(host_name(node["name"]))
        for group in groups_of(node):
            name = self._sanitize_group_name(group)
            self.inventory.add_group(name)
            self.inventory.add_child(name, host)
        for variable, key in VARIABLES.items():
            self.inventory.set_variable(host, variable, wrap_var(node.get(key)))
        if address:
            self.inventory.set_variable(host, "ansible_host", wrap_var(address))
        variables = self.inventory.get_host(host).get_vars()
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
