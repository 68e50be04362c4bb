"""What a student learns from: right answers of a log, or its ground truth, and nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from fusion_agents.distill.data.screening import reason_against
from fusion_agents.distill.nouns import Example, PreferencePair, SelectionReport, TrainingData
from fusion_agents.distill.selecting.answer_texts import commands_its_reader
from fusion_agents.distill.selecting.balancing import Ranked, balance
from fusion_agents.distill.selecting.best_answers import Chosen, choose, lineage
from fusion_agents.distill.selecting.gathering import TOO_LONG, gather
from fusion_agents.distill.selecting.guarding import guard
from fusion_agents.distill.selecting.labels import label_of
from fusion_agents.distill.selecting.lengths import too_long
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.pairs import make_pairs, notes_on
from fusion_agents.distill.selecting.reporting import Reason, Stage, Tally, counted, lengths_of
from fusion_agents.distill.selecting.wordings import Wording, wordings
from fusion_agents.right_answers.questions import is_suspicious
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Query

_SUSPICIOUS = Reason(Stage.QUESTION, "its question looks like an attempt to command its reader")
_LABEL_ONLY = Reason(Stage.LABEL, "only labels were asked for")
_BALANCE = Reason(Stage.BALANCE, "left out to balance tasks")


def select_training_data(
    log: RoutingLog,
    options: SelectionOptions | None = None,
    *,
    held_out: Iterable[Query] = (),
) -> TrainingData:
    """Select what a student learns from, and say what was left out and why.

    Only right answers are taken: those whose measured performance reaches the floor, or, where
    nothing was measured, whose newest score of a trusted judge does (what it is worth, where the
    judge was calibrated). Where ground truth and metric are known and the performance is missing,
    it is measured now; programs only where this machine has a sandbox. What is known of no answer
    is never taken for right.

    Left out are: entries without consent (`stores.consent`); queries of another split, those
    given as `held_out`, and near-duplicates of either; failed attempts, empty answers, those that
    were cut off, had thought templates in front, hold control tokens, keys, forged turns or
    hidden reasoning, or go on to ask themselves; answers that are too long; all but one wording of
    a question; and what says the same as a better answer. Nothing depends on the order in which
    the log was written, but for a judge's newest score.

    With `label` each question gives one example, made of its ground truth in the form that the
    question asks for; where that is no answer (tests of a program), the best right answer.

    Args:
        log: Is read once, and then the chosen answers; memory grows with the number of entries
            and the chosen answers, not with the length of the others.
        options: What is selected; without it, the usual.
        held_out: Queries that a student is tested with; they need not be in the log.

    Returns:
        Examples in the order of their query ids, best first; pairs likewise. Of the log's
        answers, each is an example of the kind `answer` or dropped for one reason; of its
        questions, likewise. Empty for an empty log.

    Raises:
        StoreError: If the log cannot be read.

    >>> import tempfile
    >>> from fusion_agents.types import Arm, LogEntry
    >>> with tempfile.TemporaryDirectory() as folder, RoutingLog(f"{folder}/log.db") as log:
    ...     _ = log.append(
    ...         LogEntry(query=Query(text="2 + 2?"), arm=Arm(model=name), response=said,
    ...                  performance=score)
    ...         for name, said, score in (("small", "5", 0.0), ("large", "4", 1.0))
    ...     )
    ...     data = select_training_data(log)
    >>> [(one.answer, one.teacher) for one in data.examples], data.report.dropped[0].reason
    ([('4', 'large')], 'measured wrong')
    """
    options = options or SelectionOptions()
    held = guard(log.queries(), options.split, held_out)
    tally = Tally(held.group_of, held.task_of)
    gathered = gather(log, options, held, tally)
    by_label = options.criterion == "label"
    asked = wordings(gathered, held.group_of, options, tally)
    questions = list(_honest((one for one in asked if one.right or by_label), tally))
    chosen = list(_labelled(log, questions, options, tally) if by_label
                  else choose(log, questions, options, tally))  # fmt: skip
    ranked = [
        Ranked(example, rank, one.wording.group)
        for one in chosen
        for rank, example in enumerate(one.examples)
    ]
    balanced = balance(ranked, options)
    _drop_unbalanced(balanced.left_out, tally)
    examples = tuple(one.example for one in balanced.kept)
    pairs = make_pairs(log, _taken(chosen, balanced.kept), options)
    return TrainingData(
        examples=examples,
        pairs=tuple(pairs),
        report=_report(options, tally, ranked, balanced.kept, pairs, balanced.notes),
        options=options.model_dump(mode="json"),
    )


def _honest(questions: Iterable[Wording], tally: Tally) -> Iterator[Wording]:
    """Questions that a student may be asked."""
    for one in questions:
        reason = None
        if why := reason_against(one.query.text):
            reason = Reason(Stage.QUESTION, f"its question {why}")
        elif is_suspicious(one.query):
            reason = _SUSPICIOUS
        if reason is None:
            yield one
        else:
            tally.drop(reason, one.query.id, one.query.task, len(one.right))
            tally.drop_question(reason, one.group)


def _labelled(
    log: RoutingLog, questions: Sequence[Wording], options: SelectionOptions, tally: Tally
) -> Iterator[Chosen]:
    programs = []
    for one in questions:
        label = label_of(one.query)
        if one.right and not label.is_answer:
            programs.append(one)
            continue
        tally.drop(_LABEL_ONLY, one.query.id, one.query.task, len(one.right))
        reason = label.reason or _against_label(one.query, label.text or "", options)
        if label.text and reason is None:
            yield Chosen(one, (_as_example(one, label.text),))
        else:
            tally.drop_question(Reason(Stage.NO_LABEL, reason or "has no label"), one.group)
    yield from choose(log, programs, options, tally)


def _against_label(query: Query, label: str, options: SelectionOptions) -> str | None:
    if too_long(query.text, label, options):
        return TOO_LONG.words
    if why := reason_against(label):
        return f"its label {why}"
    return "its label looks like an attempt to command" if commands_its_reader(label) else None


def _as_example(one: Wording, label: str) -> Example:
    return Example(query=one.query, answer=label, kind="label", **lineage(one.asked))


def _drop_unbalanced(left_out: Iterable[Ranked], tally: Tally) -> None:
    for one in left_out:
        tally.drop_question(_BALANCE, one.group)
        if one.example.kind == "answer":
            tally.drop(_BALANCE, one.example.query.id, one.example.query.task)


def _taken(chosen: Iterable[Chosen], kept: Iterable[Ranked]) -> list[tuple[Wording, list[Example]]]:
    examples: defaultdict[int, list[Example]] = defaultdict(list)
    for one in kept:
        examples[one.group].append(one.example)
    return [
        (one.wording, examples[one.wording.group])
        for one in chosen
        if one.wording.group in examples
    ]


def _report(
    options: SelectionOptions,
    tally: Tally,
    ranked: Sequence[Ranked],
    kept: Sequence[Ranked],
    pairs: Sequence[PreferencePair],
    notes: tuple[str, ...],
) -> SelectionReport:
    examples = [one.example for one in kept]
    return SelectionReport(
        criterion=options.criterion,
        n_questions=tally.n_questions,
        n_answers=tally.n_answers,
        n_examples=len(examples),
        n_pairs=len(pairs),
        by_task=counted(one.query.task for one in examples),
        by_teacher=counted(one.teacher for one in examples if one.teacher),
        before_balance=counted(one.example.query.task for one in ranked),
        lengths=lengths_of(examples),
        dropped=tally.dropped(one.group for one in kept),
        notes=(*notes, *notes_on(pairs)),
    )
