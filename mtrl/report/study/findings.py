"""All that is computed for a study's report, before anything is said or drawn."""

from dataclasses import dataclass

from mtrl.report.study.against import TaskDifference, sacrifices, transfers
from mtrl.report.study.folder import Study
from mtrl.report.study.results import ConditionResult, condition_result
from mtrl.report.study.stress import AxisResult, axis_results


@dataclass(frozen=True, kw_only=True)
class ConditionFindings:
    """One condition."""

    result: ConditionResult
    sacrificed: list[TaskDifference]
    """Every method's difference from the baseline on every task."""
    transferred: list[TaskDifference]
    """The same from agents that learn one task alone, where the study has such."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A study."""

    study: Study
    conditions: list[ConditionFindings]
    """In the study's order."""
    axes: list[AxisResult]

    @property
    def results(self) -> list[ConditionResult]:
        """Of the conditions."""
        return [condition.result for condition in self.conditions]


def findings(study: Study) -> Findings:
    """Everything that the study's results allow; what they do not is empty."""
    results = [condition_result(study, condition.name) for condition in study.conditions]
    return Findings(
        study=study,
        conditions=[
            ConditionFindings(
                result=result,
                sacrificed=sacrifices(study, result),
                transferred=transfers(study, result),
            )
            for result in results
        ],
        axes=axis_results(study),
    )
