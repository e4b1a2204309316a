"""What a run says at its end: a verdict, one JSON object, and the same for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tests.soak.figures import JUDGED, long_life, same_age
from tests.soak.run import WARM_UP_S, Soak

ALL_MUST_FIRE_MIN = 10.0
GROWTH_FAILS_MIN = 30.0  # in a shorter run a slope has too few samples to be more than told
AGE_S = 6.0


def report(soak: Soak) -> dict[str, Any]:
    """Everything counted and measured. `ok` is the verdict, `why` what speaks against it."""
    minutes = soak.options.minutes
    fired = dict(soak.services.fired) | dict(soak.rough.fired)
    planned = [*soak.services.faults, *soak.rough.kinds]
    fired["overflow"] = min(soak.rough.done["overflow"], -(-soak.tail.events["watch.events_lost"] // 2))  # two stores
    unfired = sorted(name for name in planned if not fired.get(name))
    idle = sorted(kind for kind in soak.editor.kinds if not soak.editor.counts[kind])
    length_s = max(0.0, (soak.samples[-1].at if soak.samples else 0.0) - soak.phase2_at)
    slopes = long_life(soak.samples, soak.phase2_at + min(WARM_UP_S, length_s / 3)) if length_s else {}
    aged = same_age([s for s in soak.samples if s.at < soak.phase2_at], AGE_S, 12.0)
    growing = sorted(name for name, line in slopes.items() if name in JUDGED and not line.within_noise)
    if aged is not None and not aged.within_noise:
        growing.append("rss_at_same_age")
    why = [f"{len(soak.findings)} divergences"] * bool(len(soak.findings))
    if minutes >= ALL_MUST_FIRE_MIN and (unfired or idle):
        why.append(f"never happened: {', '.join([*unfired, *idle])}")
    if minutes >= GROWTH_FAILS_MIN and growing:
        why.append(f"grows: {', '.join(growing)}")
    return {
        "ok": not why, "why": why, "seed": soak.options.seed, "backend": soak.options.backend, "minutes": minutes,
        "ran_s": round(soak.findings.at), "kept_in": str(soak.home) if why or soak.options.keep else None,
        "checks": soak.check.n, "slowest_convergence_s": round(soak.check.slowest_s, 1),
        "divergences": soak.findings.found,
        "edits": dict(sorted(soak.editor.counts.items())), "n_edits": soak.editor.counts.total(),
        "rough": dict(sorted(soak.rough.done.items())),
        "faults": {name: {"begun": soak.services.begun[name], "fired": soak.services.fired[name]}
                   for name in sorted(soak.services.faults)},
        "fired": dict(sorted(fired.items())), "never_fired": unfired, "edits_never_made": idle,
        "lives": soak.lives.n, "start_retries": soak.lives.n_start_retries,
        "queries": dict(soak.asker.counts), "slowest_answer_s": round(soak.asker.slowest_s, 2),
        "log_events": dict(sorted(soak.tail.events.items())),
        "slopes": {name: asdict(line) for name, line in slopes.items()},
        "rss_at_same_age": {"age_s": AGE_S, **asdict(aged)} if aged else None,
        "growing": growing,
    }  # fmt: skip


def summary(said: dict[str, Any]) -> str:
    """For people."""
    lines = [
        f"soak: {'ok' if said['ok'] else 'FAILED: ' + '; '.join(said['why'])}",
        f"  {said['ran_s']} s, seed {said['seed']}, store far on {said['backend']}, {said['checks']} comparisons, "
        f"the slowest convergence {said['slowest_convergence_s']} s",
        f"  {said['n_edits']} edits of {len(said['edits'])} kinds, {said['lives']} lives, "
        f"{said['queries'].get('answered', 0)} answers with {said['queries'].get('hits_judged', 0)} hits judged, "
        f"{said['queries'].get('settled_notes', 0)} settled notes asked for; the slowest answer "
        f"{said['slowest_answer_s']} s",
        "  fired: " + ", ".join(f"{name} {n}" for name, n in said["fired"].items()),
    ]
    if said["never_fired"] or said["edits_never_made"]:
        lines.append(f"  never: {', '.join([*said['never_fired'], *said['edits_never_made']])}")
    for name, line in said["slopes"].items():
        verdict = "within noise" if line["within_noise"] else "GROWS"
        lines.append(
            f"  {name:13} {line['mean']:9.1f} {line['per_hour']:+9.2f} per hour, noise {line['noise']:.2f}, "
            f"{line['n']} samples over {line['span_s']:.0f} s: {verdict}"
        )
    if aged := said["rss_at_same_age"]:
        lines.append(
            f"  RSS {aged['age_s']:.0f} s after a start: {aged['mean']:.0f} MiB, {aged['per_hour']:+.1f} MiB per hour, "
            f"noise {aged['noise']:.1f}, {aged['n']} starts: {'within noise' if aged['within_noise'] else 'GROWS'}"
        )
    lines += [f"  {d['kind']} {d['store']} {d['path']} at {d['at_s']} s" for d in said["divergences"]]
    if said["kept_in"]:
        lines.append(f"  everything is kept in {said['kept_in']}")
    return "\n".join(lines)
