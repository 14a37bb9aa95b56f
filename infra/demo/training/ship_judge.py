"""`python -m infra.demo.training.ship_judge STATE`: packs what `train_judge` learnt as the demo's judge."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer

from infra.demo import pack
from infra.demo.tokenizer import ordinary_size
from infra.demo.training import ship
from infra.demo.training.model import Trim, untrained


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("state", type=Path, help="what train_judge wrote")
    parser.add_argument("--out", type=Path, default=pack.DEMO / "judge")
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(pack.DEMO / "checkpoint" / "tokenizer.json"))
    model = untrained(Trim(ordinary_size(tokenizer)), 0)
    model.load_state_dict(torch.load(args.state, map_location="cpu")["model"])
    ship.round_to_bf16(model)
    ship.ship_judge(model, args.out)


if __name__ == "__main__":
    main()
