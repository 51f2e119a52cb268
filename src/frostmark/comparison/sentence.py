"""The sentence of a verdict: the answer, what it rests on, and what speaks against it.

sentence_of(contenders, pairs, headlines)       # "vgg16 · stage4 is better than resnet18 · last_conv: …"
"""

from __future__ import annotations

from collections.abc import Sequence

from frostmark.comparison.contenders import Contender, Headline, PairedDifference


def sentence_of(contenders: Sequence[Contender], pairs: Sequence[PairedDifference], shared: Sequence[Headline]) -> str:
    """The answer; and where the other family names another winner that the data tell apart, that it does."""
    opposed = _opposed(contenders, pairs, shared)
    if opposed is None:
        return f"{_answer(contenders, pairs, shared[0])}."
    others = [p for p in pairs if p is not opposed]
    by, turned = opposed.headline.words, opposed.turned
    return (
        f"{_answer(contenders, others, shared[0])}. However, by {by} {turned.first} is better than "
        f"{turned.second} by {_by(turned.words)}."
    )


def _opposed(
    contenders: Sequence[Contender], pairs: Sequence[PairedDifference], shared: Sequence[Headline]
) -> PairedDifference | None:
    """The best contender less the one that the other family puts first, if by that the data tell them apart."""
    first, best = shared[0], contenders[0]
    for other in shared:
        if other.family != first.family:
            winner = max(contenders, key=lambda c: c.run.values[other.key])
            if winner is not best and (pair := _of(pairs, best.name, winner.name, other)).told:
                return pair
    return None


def _answer(contenders: Sequence[Contender], pairs: Sequence[PairedDifference], first: Headline) -> str:
    best, *others = contenders
    shown_value = first.kind.shown(best.run.values[first.key])
    shown = f"{best.name} ({first.words} {shown_value})"
    if not others:
        return f"{shown} is the only run; a comparison needs two runs"
    against = {o.name: _of(pairs, best.name, o.name, first) for o in others}
    level = [o for o in others if not against[o.name].told]
    behind = [o for o in others if against[o.name].told]
    if all(pair.unknown for pair in against.values()):
        ahead = _by(against[others[0].name].amount)
        unsure = "the runs contain neither hits nor draws, so the significance of the difference is not known"
        return f"{shown} has the highest value, {ahead} above {others[0].name}; {unsure}"
    if not level:
        next_one = behind[0]
        lead = f"{shown} is better than {_listed([o.name for o in behind])}"
        several = len(behind) > 1
        ahead = f"than that of {next_one.name}, the second best, " if several else ""
        told = _told(pairs, best.name, next_one.name, first)
        also = _also(told, f"than {next_one.name} " if several else "") + _where(contenders, told)
        return f"{lead}: its {first.words} is higher {ahead}by {_by(against[next_one.name].words)}{also}"
    tied = _listed([best.name, *(o.name for o in level)])
    largest = against[level[-1].name]
    if largest.none:
        said = f"{tied} classify the same test images correctly: {first.words} {shown_value}"
    else:
        said = (
            f"No significant difference between {tied}: {first.words} of {best.name} is higher by {_by(largest.words)}"
        )
        said += f" than that of {level[-1].name}" if len(level) > 1 else ""
    if behind:
        said += f". {_listed([o.name for o in behind])} {'is' if len(behind) == 1 else 'are'} worse than {best.name}"
    elif len(level) == 1:
        told = _told(pairs, best.name, level[0].name, first)
        said += _but(best.name, told) + _where(contenders, told)
    return said


def _by(difference: str) -> str:
    """A difference in front of which the words say which way it goes."""
    return difference.removeprefix("+")


def _of(pairs: Sequence[PairedDifference], one: str, other: str, headline: Headline) -> PairedDifference:
    return next(p for p in pairs if (p.first, p.second, p.headline) == (one, other, headline))


def _told(pairs: Sequence[PairedDifference], one: str, other: str, first: Headline) -> tuple[list[str], list[str]]:
    """By what else the first of two is better, and by what it is worse."""
    more = [p for p in pairs if (p.first, p.second) == (one, other) and p.headline != first and p.told]
    words = [(p.difference.mean > 0, f"{p.headline.words} ({p.amount})") for p in more]
    return [said for better, said in words if better], [said for better, said in words if not better]


def _where(contenders: Sequence[Contender], told: tuple[list[str], list[str]]) -> str:
    """By another metric another layer of a network may be its best: what is said is of these layers."""
    return " on these layers" if any(told) and any(contender.of > 1 for contender in contenders) else ""


def _also(told: tuple[list[str], list[str]], than: str) -> str:
    better, worse = told
    said = f"; it is also better {than}by {_listed(better)}" if better else ""
    return said + (f"; but it is worse {than}by {_listed(worse)}" if worse else "")


def _but(name: str, told: tuple[list[str], list[str]]) -> str:
    parts = [f"{what} by {_listed(by)}" for what, by in zip(("better", "worse"), told, strict=True) if by]
    return f"; {name} is {' and '.join(parts)}" if parts else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    shown = list(names) if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
