"""The command about missions: `missions`."""

from __future__ import annotations

from configs.missions import known_missions
from flows.printing import say
from flows.terminal import print_result


def missions() -> int:
    """`fieldcheck missions`. Raises ConfigError for a mission's file, or a cron line that Prefect refuses."""
    from blocks.schedules import check_schedules  # Prefect, only where schedules are looked at

    check_schedules(known_missions())
    for mission in known_missions().values():
        say(f"{mission.name}  ({mission.slug})\n    {mission.focus}\n")
    return print_result({"missions": list(known_missions())})
