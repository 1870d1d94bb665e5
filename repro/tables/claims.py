"""The paper's claims as data: what each compares. A researcher may check them against the paper line by line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Tuple

from repro.tables.comparisons import (
    Z2,
    alike,
    beside,
    change,
    cost,
    dominated,
    released,
    rising,
    same,
    selects,
    speed,
    varies,
)
from repro.tables.verdicts import ALIKE, GAINS, LOSES, NOT_LESS, NOT_MORE, Figure, Gap, Source, together


@dataclass(frozen=True)
class Claim:
    """One row of tables/claims.md; comparisons: a function of repro/tables/comparisons.py, then what it compares."""

    text: str  # which figures the cells hold, in their order
    where: str  # in the paper
    comparisons: Tuple[Tuple[Any, ...], ...]
    note: str = ""

    def told(self, source: Source) -> Tuple[str, str]:
        """Return the figures of a source in words, and the verdict on them."""
        found = [compare(source, *compared) for compare, *compared in self.comparisons]
        texts = dict.fromkeys(text for text, _ in found if text)
        return "; ".join(texts), together([verdict for _, verdict in found if verdict])


_1, _2, _4 = (partial(Figure, f"table{number}") for number in (1, 2, 4))


def _3(row):
    return Figure("table3", f"isctf-{row}")


SPARSE = {p: _3(f"sparse-p{p}-l0.001-r256") for p in ("0.13", "0.2", "0.25", "0.4", "0.5")}
ALL_UNITS, MODEL_A = "3463-3463", "1120-1241"
REMOVED = ("1110-2341", "1110-1252", "1120-1241", "1111-1241", "1110-1241", "1110-1131")
REPAIRED = ("1110-2341", "1110-1252", "1120-1241", "1110-1131")  # those the paper trained with the coarse set


def _gaps(extra):
    """Return pairs for each repaired row: its gap to all units, and that with `extra` training."""
    return [(Gap(_4(ALL_UNITS), _4(row)), (Gap(_4(ALL_UNITS, extra), _4(row, extra)),)) for row in REPAIRED]


def _left(extra):
    return _4(ALL_UNITS, extra), tuple(_4(row, extra) for row in REPAIRED)


def _model_a(extra):
    return Figure("table5", "single"), (_4(MODEL_A, extra),)


CLAIMS = (
    Claim("Up-sampling with jump connections costs about a point: dilation → up-sampling", "4.2, Table 1",
          ((change, _1("stride8"), (_1("stride32"),), LOSES),)),
    Claim("Two columns beat one: single column → max", "4.3, Tables 1, 2",
          ((change, _1("stride32"), (_2("max-half-full"),), GAINS),)),
    Claim("Two columns beat a dilated one: dilated → max", "4.3, Tables 1, 2",
          ((change, _1("stride8"), (_2("max-half-full"),), GAINS),)),
    Claim("Half + full is a good choice: no better with quarter, full + double, with double", "4.3, Table 2",
          ((change, _2("max-half-full"), tuple(map(_2, ("max-quarter-half-full", "max-full-double",
                                                        "max-half-full-double"))), NOT_MORE),)),
    Claim("Fusions perform alike: max, sum, attention, CTF", "4.3, Table 2",
          ((alike, *(_2(f"{fusion}-half-full") for fusion in ("max", "sum", "attention", "ctf"))),)),
    Claim("CTF needs no full-resolution attention: attention → CTF, no worse", "4.3, Table 2",
          ((change, _2("attention-half-full"), (_2("ctf-half-full"),), NOT_LESS),)),
    Claim("ISCTF is no worse than CTF: CTF → ISCTF (p = 0.5, classic)", "4.3, Table 2",
          ((change, _2("ctf-half-full"), (_2("isctf-half-full"),), NOT_LESS),)),
    Claim("SCTF loses accuracy in fast inference, about 3 points in the paper: classic → fast", "4.4, Tables 2, 3",
          ((change, _2("sctf-half-full"), (Figure("table3", "sctf-sparse-p0.5-l0.001-r256"),), LOSES),)),
    Claim("ISCTF drops by none: classic → fast; ours: the largest difference", "4.4, Tables 2, 3",
          ((same, _2("isctf-half-full"), SPARSE["0.5"]),)),
    Claim("Sparse activations beat winner-take-all: WTA → sparse, p = 0.25; 0.4; 0.5", "4.4, Table 3",
          tuple((change, _3(f"wta-p{p}-r256"), (SPARSE[p],), GAINS) for p in ("0.25", "0.4", "0.5")),
          "On minicity the WTA row of p = 0.25 hardly uses its full column (mean z2 in its record)."),
    Claim("More regions, more accuracy: p = 0.13, 0.2, 0.25, 0.4, 0.5", "4.4, Table 3",
          ((rising, *SPARSE.values()),),
          "On minicity the row of p = 0.13 collapsed: soon after the dense phase no region had s > 0 (its log)."),
    Claim("Regions of 128 px are worse: 256 → 128 px", "4.4, Table 3",
          ((change, SPARSE["0.5"], (_3("sparse-p0.5-l0.001-r128"),), LOSES),)),
    Claim("Regions of 128 px are worse by little: 256 → 128 px", "4.4, Table 3",
          ((change, SPARSE["0.5"], (_3("sparse-p0.5-l0.001-r128"),), NOT_LESS),)),
    Claim("λ = 0.001 is best: 0.001 → 0.0001, 0.01", "4.4, Table 3",
          ((change, SPARSE["0.5"], (_3("sparse-p0.5-l0.0001-r256"), _3("sparse-p0.5-l0.01-r256")), LOSES),)),
    Claim("Eq. (4) in place of Eq. (3) is critical: (3) → (4), p = 0.25; 0.5", "3.3",
          tuple((change, Figure("ablations", f"isctf-sparse-p{p}-eq3"), (SPARSE[p],), GAINS) for p in ("0.25", "0.5"))),
    Claim("p is a loose constraint: regions with s > 0 in an image, p = 0.25; 0.5", "4.4",
          ((varies, SPARSE["0.25"]), (varies, SPARSE["0.5"])),
          "The distributions are in the next section."),
    Claim("A fixed k serves as well as a variable number: k → all s > 0, p = 0.25; 0.5", "4.4",
          tuple((change, SPARSE[p], (replace(SPARSE[p], inference="active"),), ALIKE) for p in ("0.25", "0.5")),
          'The paper fixes k "for implementation convenience", and gives no figure of the other way, its "ideally".'),
    Claim("The optimised structure costs little: ISCTF → optimised, p = 0.25", "3.4, Table 5",
          ((change, SPARSE["0.25"], (_4(ALL_UNITS),), NOT_LESS),)),
    Claim("Removing units costs accuracy: all units → six removals", "4.5, Table 4",
          ((change, _4(ALL_UNITS), tuple(map(_4, REMOVED)), LOSES),)),
    Claim("Bootstrapping and coarse labels narrow that gap: before → after, four removals", "4.5, Table 4",
          (*((change, *gap, LOSES) for gap in _gaps("coarse")), (beside, *_gaps("bootstrapping"))),
          "CamVid has no coarsely labelled set: there, in this row and those below it, bootstrapping alone, of which "
          "the paper's own figures (bs. alone) stand beside."),
    Claim("What they leave of it is little: all units → four removals, all with both", "4.5, Table 4",
          ((change, *_left("coarse"), NOT_LESS), (beside, _left("bootstrapping")))),
    Claim("From scratch is worse: removed → from scratch, plain; with bs.; with both", "4.5, Table 4",
          tuple((change, _4("1110-1131", extra), (_4("1110-1131-scratch", extra),), LOSES)
                for extra in ("", "bootstrapping", "coarse")),
          "By the same steps and rates; from scratch batch norm learns its statistics. The paper's backbone is "
          "ImageNet's; ours are of photographs (CamVid) and of more drawn scenes (minicity)."),
    Claim("The half column's attention sometimes dominates: mean z2, six removals", "4.5",
          ((dominated, *(_4(row, key=Z2) for row in REMOVED)),), "Over the computed regions of all test images."),
    Claim("Both strategies help it out of there: mean z2 plain → with bs., both; four removals", "4.5",
          ((released, *((_4(row, key=Z2), tuple(_4(row, extra, key=Z2) for extra in ("bootstrapping", "coarse")))
                        for row in REPAIRED)),),
          "Judged by those that are dominated without them."),
    Claim("25 times fewer multiply-adds: single column → Model A", "1, 4.6, Table 5",
          ((cost, "single", "model-a", 25),),
          "Counted on the full-width networks, on no data. The paper leaves the projection shortcuts out."),
    Claim("Model A loses little: single column → Model A with both", "4.6, Table 5",
          ((change, *_model_a("coarse"), NOT_LESS), (beside, _model_a("bootstrapping")))),
    Claim("Small objects are computed: their pixels in computed regions, ISCTF, p = 0.25; Model A", "4.8",
          ((selects, SPARSE["0.25"]), (selects, _4(MODEL_A))),
          "Poles, signs, lights, people, riders and vehicles but buses, trucks and trains. Holds at twice the share of "
          "the area, which is chance; the fixed map is the regions computed most often. The paper has pictures of it."),
    Claim("About 15 images of 1024x2048 a second on one GPU", "1, Table 6", ((speed, "Ours"),),
          "Not reproduced: no GPU that mxnet-cu112 runs on was at hand. Times on a CPU are in table6.md."),
)
