"""Parts of the role agent against a fleet, on the control node itself."""


PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - module_defaults:
        group/h8lio.fleet.h8lctl: {}
      block:
        - include_role: {name: h8lio.fleet.agent, tasks_from: %s}
"""


def part(fleet, ansible, name, *settings, **options):
    """Runs a file of tasks of the role for a host s1, whose files are in the test's folder."""
    places = {
        "__agent_identity": fleet.folder / "identity.json",
        "__agent_credential_store": fleet.folder / "credstore",
        "__agent_credential": fleet.folder / "credstore/h8lio.join-token",
        "__agent_cache": fleet.folder / "cache",
    }
    file = fleet.folder / "role.yml"
    file.write_text(PLAY % name)
    words = []
    for setting in ["%s=%s" % place for place in places.items()] + list(settings):
        words += ["--extra-vars", setting]
    return said(ansible("ansible-playbook", "-i", "s1,", "-c", "local", *(words + [file]), **options))


def said(text):
    """What was printed, without how it was broken into lines."""
    return " ".join(text.split())


def test_a_server_of_which_nothing_is_known_gets_no_token_even_when_it_would_be_approved(fleet, ansible):
    told = part(fleet, ansible, "token", '{"agent_approve": true}', succeeds=False)
    assert "nothing is known of s1" in told
    assert fleet.calls() == []
