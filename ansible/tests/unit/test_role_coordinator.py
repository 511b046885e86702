"""Parts of the role coordinator, on the control node itself."""

import pytest

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - include_role: {name: h8lio.fleet.coordinator, tasks_from: %s}
"""

OURS = 'fleet = "prod"\nkey = "OURS"\n'
OTHERS = 'fleet = "prod"\nkey = "OTHERS"\n'


@pytest.fixture
def part(fleet, ansible):
    """Runs a file of tasks of the role for a host c1, whose files are in the test's folder."""

    def run(name, *words, **options):
        (fleet.folder / "role.yml").write_text(PLAY % name)
        settings = {
            "coordinator_fleet": "prod",
            "coordinator_context_file": fleet.folder / "prod.context.toml",
            "__coordinator_config": fleet.folder / "coordinator.toml",
            "__coordinator_context": fleet.folder / "first.context.toml",
        }
        for setting in settings.items():
            words += ("--extra-vars", "%s=%s" % setting)
        told = ansible("ansible-playbook", "-i", "c1,", "-c", "local", *(words + ("role.yml",)), **options)
        return " ".join(told.split())

    return run


def test_no_fleet_is_set_up_where_its_context_would_replace_another_fleets(fleet, part):
    kept = fleet.folder / "prod.context.toml"
    kept.write_text(OTHERS)
    # Dry: should it go on in spite of all, it must not do so on the machine that tests.
    told = part("main", "--check", succeeds=False)
    assert "is another fleet's context: fleet prod is not set up on c1 yet. Nothing was done." in told
    assert kept.read_text() == OTHERS


def test_the_first_context_goes_to_the_control_node_and_off_the_server(fleet, part):
    first = fleet.folder / "first.context.toml"
    first.write_text(OURS)
    assert "OURS" not in part("context", "-vvv"), "the key stands in the output"
    assert (fleet.folder / "prod.context.toml").read_text() == OURS
    assert not first.exists()


def test_a_fetch_that_was_cut_off_before_the_end_is_finished(fleet, part):
    for name in ("first.context.toml", "prod.context.toml"):
        (fleet.folder / name).write_text(OURS)
    part("context")
    assert not (fleet.folder / "first.context.toml").exists()


def test_a_context_is_never_fetched_over_another(fleet, part):
    (fleet.folder / "first.context.toml").write_text(OURS)
    (fleet.folder / "prod.context.toml").write_text(OTHERS)
    assert "is another context than" in part("context", succeeds=False)
    assert (fleet.folder / "prod.context.toml").read_text() == OTHERS
    assert (fleet.folder / "first.context.toml").read_text() == OURS, "now nobody can get in"
