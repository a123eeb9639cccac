"""A blank machine gets what its nucleus runs on, from the distribution and from the kit."""

from tests.unit.provision.conftest import BlankMachine, Run


def installed(machine: BlankMachine) -> list[str]:
    """Every package that was asked for, by name or by file."""
    calls = [call.split() for call in machine.calls if call.startswith("apt-get install ")]
    return [word for call in calls for word in call[2:] if not word.startswith("-")]


def test_a_kit_may_be_named_from_where_one_stands(run: Run, machine: BlankMachine) -> None:
    done = run("station", "--apply", "--kit", machine.kit.name, nucleus="lite")
    assert done.returncode == 0, done.stderr
    assert str(machine.kit / "aws-greengrass-lite.deb") in installed(machine)


def test_nucleus_2_gets_java_and_the_sudo_by_which_it_runs_components(
    run: Run, machine: BlankMachine
) -> None:
    assert run("station", "--apply", nucleus="classic").returncode == 0
    assert {"default-jre-headless", "sudo"} <= set(installed(machine))
