"""How long a node is waited for, with a clock of the test's own."""

import pytest

from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import H8lctlError
from ansible_collections.h8lio.fleet.plugins.module_utils.waiting import reached, wait, why_not_yet

ONLINE = {"admission": "Enrolled", "availability": "Online"}
NO_ANSWER = H8lctlError("no coordinator answers", 5)


class Clock:
    """Goes on by what is slept, and by what each question takes."""

    def __init__(self, answers, each=0):
        self.answers, self.each, self.time, self.left = list(answers), each, 0, []

    def ask(self, left):
        self.left.append(left)
        self.time += self.each
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds):
        self.time += seconds

    def wait(self, seconds):
        return wait(self.ask, lambda nodes: reached("online", nodes), seconds, lambda: self.time, self.sleep)


def test_a_coordinator_that_comes_back_in_time_is_no_failure():
    assert Clock([NO_ANSWER, NO_ANSWER, [], [ONLINE]]).wait(10) == ([ONLINE], None)


def test_slow_questions_use_the_time_up_too():
    clock = Clock([[]], each=9)
    assert clock.wait(30) == ([], None)
    assert clock.time == 39, "the last question began before the time was over"
    assert clock.left == [30, 20, 10, 1], "no question may take longer than what is left"


def test_the_last_failure_is_told():
    assert Clock([NO_ANSWER]).wait(3) == (None, NO_ANSWER)


def test_with_no_time_at_all_one_question_is_asked():
    assert Clock([[ONLINE]]).wait(0) == ([ONLINE], None)


@pytest.mark.parametrize("code", [None, 2, 4])
def test_what_cannot_pass_is_not_waited_for(code):
    clock = Clock([H8lctlError("cannot run h8lctl", code)])
    with pytest.raises(H8lctlError):
        clock.wait(60)
    assert clock.time == 0


def test_whoever_waits_in_vain_is_told_how_the_node_is():
    pending = {"admission": "Pending", "availability": "Online", "availabilityReason": "heard 1 s ago"}
    assert why_not_yet("s1", [pending], False).startswith("It is Pending, Online: heard 1 s ago;")
    assert "journalctl -u h8lio-agent" in why_not_yet("s1", [], False)
    assert why_not_yet("s1", [], True).startswith("It was decommissioned.")
