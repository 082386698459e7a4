"""The Triton kernel of `benchmarks.gpu.front_end`; import it where Triton is."""

# ruff: noqa: N803  # constants of the kernel
import triton
import triton.language as tl


@triton.jit
def pooled_products(
    values, weights, bias, sign, scale, shift, out, groups, filters, column,
    OFFSET: tl.constexpr, INNER: tl.constexpr, OUTER_STRIDE: tl.constexpr,
    INNER_STRIDE: tl.constexpr, POSITION_STRIDE: tl.constexpr, POSITIONS: tl.constexpr,
    BLOCK: tl.constexpr, CHUNKS: tl.constexpr, DEPTH: tl.constexpr, STEP: tl.constexpr,
    FILTERS: tl.constexpr, FRAMES: tl.constexpr, WIDE: tl.constexpr,
    ROWS: tl.constexpr, GROUPS: tl.constexpr, TILE_DEPTH: tl.constexpr,
):  # fmt: skip
    """Multiply weights (filters, DEPTH) with overlapping rows, keep the maximum over positions.

    A group is one time step (or STEP of them) of one patch. Its rows start at POSITIONS places of
    `values`. Filters lie along the first axis, so the maximum is over values of few threads.
    The programs lie along the first axis of the grid: the others end at 65,535.
    """
    row_tiles = tl.cdiv(filters, ROWS)
    first_group = (tl.program_id(0) // row_tiles) * GROUPS
    rows = (tl.program_id(0) % row_tiles) * ROWS + tl.arange(0, ROWS)
    cells = tl.arange(0, GROUPS * BLOCK)
    group = tl.minimum(first_group + cells // BLOCK, groups - 1)
    base = OFFSET + (group // INNER) * OUTER_STRIDE + (group % INNER) * INNER_STRIDE
    depth = tl.arange(0, TILE_DEPTH)
    best = tl.full([ROWS, GROUPS], -float("inf"), tl.float32)
    for chunk in tl.static_range(CHUNKS):
        position = cells % BLOCK + chunk * BLOCK
        starts = base + position * POSITION_STRIDE
        sums = tl.zeros([ROWS, GROUPS * BLOCK], tl.float32)
        for first in range(0, DEPTH, TILE_DEPTH):
            left = tl.load(weights + rows[:, None] * DEPTH + (first + depth)[None, :])
            right = tl.load(values + starts[None, :] + (first + depth)[:, None])
            sums = tl.dot(left, right, sums)
        sums = tl.where(position[None, :] < POSITIONS, sums, -float("inf"))
        pooled = tl.max(tl.reshape(sums, [ROWS, GROUPS, BLOCK]), axis=2)
        best = tl.maximum(best, pooled)
    of_filter = rows % FILTERS
    is_row = rows < filters
    of_group = first_group + tl.arange(0, GROUPS)
    result = best + tl.load(bias + of_filter)[:, None]
    result = tl.maximum(result * tl.load(sign + of_filter)[:, None], 0.0)
    result = result * tl.load(scale + of_filter)[:, None] + tl.load(shift + of_filter)[:, None]
    frame = (of_group % INNER)[None, :] * STEP + (rows // FILTERS)[:, None]
    place = ((of_group // INNER)[None, :] * FRAMES + frame) * WIDE + column + of_filter[:, None]
    keep = is_row[:, None] & (of_group < groups)[None, :] & (frame < FRAMES)
    tl.store(out + place, result, mask=keep)
