/* The inner loops of twolayer.engines.minibatch: a pass of training over mini-batches, and predictions. kernel.c includes
   this file, the first part once and the second part for each type of numbers and level of the processor.

   Threads share the hidden units. Each keeps the weights of its own units in its own memory, and goes forward and backward
   through the whole mini-batch with them. So no gradient is ever stored, joined or cleared: a row of dW1 is summed in
   registers over the mini-batch, and moves its weights at once. The threads meet twice in a mini-batch: to add up what
   reaches the outputs, and to share the slopes there. In between each brings a part of the next mini-batch in. For
   predictions each thread takes blocks of samples through all units, and meets nobody.

   Own units lie in panels of a few vectors, as many as registers hold: what a loop goes over stands together, and fits
   into the cache. A mini-batch lies in memory by features, samples side by side, or without its zeros: as rows for the
   way forward, and sorted by features for the way backward. */

#ifndef LEVEL

#ifndef _WIN32
#include <sched.h>
#endif

enum { ADAM, MOMENTUM };                     /* rule, in the order of minibatch.RULES */
enum { RATE, CORRECTION, KEPT, N_NUMBERS };  /* numbers of a move, see `twolayer.engines.minibatch` */
enum { PATIENCE = 4096 };                    /* looks at what the others do before the processor is offered to them */
enum { CACHE = 40000 };                      /* bytes of dZ1 that the way backward goes over again and again */
enum { NEAR = 16384 };                       /* bytes of weights that the way forward goes over again and again */
enum { SPARSE_BLOCK = 8 };                   /* vectors of own units that are summed at once where zeros are skipped */

struct pass {
    int64_t n_features, n_hidden, n_y, activation, loss, rule;
    int64_t storage, skips_zeros, room;      /* room: values of a row at most */
    int64_t n_samples, batch_size, n_threads;
    int64_t from, to;                        /* mini-batches of this call */
    double factor;                           /* what features are multiplied by */
    double l2, decay1, decay2, epsilon;
    const void *x;                           /* dense: rows of n_features; sparse: the values */
    const int64_t *start;                    /* sparse: where a row begins; NULL: dense */
    const int32_t *column;                   /* sparse: the feature of each value */
    const int32_t *label;                    /* class of each row; NULL: unknown */
    const void *weight;                      /* of each row, in the type; NULL: all alike */
    const int64_t *order;                    /* (n_samples): which rows, in which order; NULL: as they are */
    const double *moves;                     /* for each mini-batch its numbers */
    void *parameters, *first, *second;       /* flat vectors that are moved; `second` is NULL where the rule has none */
    double *figures;                         /* (n_threads, LINE): cost and right predictions, added to */
    void *outputs;                           /* (n_samples, n_y): Z2 of the rows as they are; NULL: to train */
    void *scratch;
    int64_t apart[LINE / 8];                 /* what follows is written to by all threads */
    int64_t n_arrived, turn, given_up;
};

/* Waits until all threads of the pass are here. Returns 0 if it has been given up. */
static int meet(struct pass *pass) {
    int64_t turn = __atomic_load_n(&pass->turn, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&pass->n_arrived, 1, __ATOMIC_ACQ_REL) == pass->n_threads) {
        __atomic_store_n(&pass->n_arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&pass->turn, turn + 1, __ATOMIC_RELEASE);
        return 1;
    }
    for (int64_t looks = 0; __atomic_load_n(&pass->turn, __ATOMIC_ACQUIRE) == turn; looks++) {
        if (__atomic_load_n(&pass->given_up, __ATOMIC_ACQUIRE)) return 0;
        rest_a_moment();
#ifndef _WIN32
        if (looks > PATIENCE) sched_yield();
#endif
    }
    return 1;
}

/* Lets the processor take numbers below full precision for 0, which what decays comes to: it is many times slower with
   them. Returns what to give to `restore_precision`. */
static uint64_t flush_to_zero(void) {
#if defined(__x86_64__)
    unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | 0x8040);
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (uint64_t)1 << 24));
    return before;
#else
    return 0;
#endif
}

static void restore_precision(uint64_t before) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((unsigned)before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}

/* Makes a pointer of its own, rather than a register for each vector behind it. */
#define ONE_ADDRESS(pointer) __asm__("" : "+r"(pointer))

/* The next part of a memory that begins at base, for each of n threads; returns that of this thread. */
static void *take_part(char *base, int64_t *end, int64_t n_bytes, int64_t n, int64_t thread) {
    int64_t size = (n_bytes + LINE - 1) / LINE * LINE, at = *end + thread * size;
    *end += n * size;
    return base ? base + at : 0;
}

#else

#if DOUBLE
#define SQRT __builtin_sqrt
#else
#define SQRT __builtin_sqrtf
#endif
#define mini_batch NAME(mini_batch)
#define desk NAME(desk)
#define panel NAME(panel)

/* A mini-batch. */
struct mini_batch {
    int64_t n;                               /* samples */
    REAL *x;                                 /* all features: (n_features, rows); without zeros: (batch, room) */
    int32_t *column, *count;                 /* without zeros: the feature of each, and how many there are in a row */
    REAL *sorted;                            /* without zeros: the values again, by their features */
    int32_t *sample, *first;                 /* which sample each is of, and where a feature begins */
    REAL *weight;                            /* (rows) */
    int32_t *label;                          /* (rows) */
};

/* The memory of a pass as one thread sees it. */
struct desk {
    int64_t unit, n_units;                   /* own hidden units */
    int64_t n_vectors, n_panels;             /* vectors of them, and panels of these */
    int64_t rows;                            /* samples of a mini-batch, filled up to an odd number of lines */
    REAL *own[3];                            /* panels: parameters, then their moments */
    REAL *b2[3];
    REAL *A1, *dZ1;                          /* own units: panels of (batch, wide), one of them */
    REAL *Z2, *parts, *dZ2;                  /* outputs: own part and those of all threads (n_y, rows); their slope */
    int32_t *counts, *all_counts, *place;    /* of the next mini-batch: values of each feature, own and all threads' */
    REAL *line;                              /* a line of samples: features (LENGTH, n_features), or outputs (n_y, LENGTH) */
    struct mini_batch batches[2];
};

/* Some own units: n_vectors vectors of them, `wide` numbers in a row. Fill after the last unit is 0 everywhere. */
struct panel {
    int64_t unit, n_vectors, wide;
    REAL *own[3];                            /* rows: one for each feature (W1), then b1, then one for each output (W2) */
    REAL *A1;                                /* (batch, wide) */
};

INLINE struct panel NAME(panel_of)(const struct pass *pass, const struct desk *desk, int64_t number) {
    const int64_t v = number * desk->n_vectors / desk->n_panels;
    struct panel panel = {v * LANES, (number + 1) * desk->n_vectors / desk->n_panels - v, 0, {0}, 0};
    panel.wide = panel.n_vectors * LANES;
    for (int k = 0; k < (pass->outputs ? 1 : 3); k++) panel.own[k] = desk->own[k] + (pass->n_features + 1 + pass->n_y) * panel.unit;
    panel.A1 = desk->A1 + pass->batch_size * panel.unit;
    return panel;
}

/* Lays out the memory that begins at scratch for a thread; returns how many bytes all need. */
static TARGET int64_t NAME(lay_out)(const struct pass *pass, char *scratch, int64_t thread, struct desk *desk) {
    const int64_t n_threads = pass->n_threads, n_vectors = (pass->n_hidden + LANES - 1) / LANES;
    const int64_t from = thread * n_vectors / n_threads, to = (thread + 1) * n_vectors / n_threads;
    const int64_t widest = (n_vectors + n_threads - 1) / n_threads * LANES, n_x = pass->n_features;
    const int64_t sparse = pass->skips_zeros ? pass->batch_size * pass->room : 0, n_sorted = sparse ? n_x + 1 : 0;
    const int64_t fit = CACHE / (pass->batch_size * (int64_t)sizeof(vec)), some = fit < 2 ? 2 : fit;
    const int64_t most = !pass->skips_zeros ? VECTORS_BLOCK : some < SPARSE_BLOCK ? some : SPARSE_BLOCK;
    int64_t end = 0;
#define PART(type, n) (type *)take_part(scratch, &end, (n) * (int64_t)sizeof(type), 1, 0)
#define OWN(type, n) (type *)take_part(scratch, &end, (n) * (int64_t)sizeof(type), n_threads, thread)
    desk->unit = from * LANES;
    desk->n_vectors = to - from;
    desk->n_panels = (to - from + most - 1) / most;
    desk->n_units = (to * LANES < pass->n_hidden ? to * LANES : pass->n_hidden) - desk->unit;
    desk->rows = ((pass->batch_size + LENGTH - 1) / LENGTH | 1) * LENGTH; /* odd: so columns meet in no set of the cache */
    for (int k = 0; k < (pass->outputs ? 1 : 3); k++) {
        desk->own[k] = OWN(REAL, (n_x + 1 + pass->n_y) * widest);
        desk->b2[k] = PART(REAL, pass->n_y);
    }
    desk->A1 = OWN(REAL, pass->batch_size * widest);
    desk->dZ1 = OWN(REAL, pass->batch_size * most * LANES);
    desk->line = OWN(REAL, (sparse || n_x < pass->n_y ? pass->n_y : n_x) * LENGTH);
    desk->parts = PART(REAL, n_threads * pass->n_y * desk->rows);
    desk->Z2 = desk->parts ? desk->parts + thread * pass->n_y * desk->rows : 0;
    desk->dZ2 = PART(REAL, pass->n_y * desk->rows);
    desk->all_counts = PART(int32_t, sparse ? n_threads * n_x : 0);
    desk->counts = desk->all_counts ? desk->all_counts + thread * n_x : 0;
    desk->place = OWN(int32_t, n_sorted);
    for (int k = 0; k < 2; k++) {
        struct mini_batch *each = &desk->batches[k];
        each->x = PART(REAL, sparse ? sparse : n_x * desk->rows);
        each->weight = PART(REAL, desk->rows);
        each->label = PART(int32_t, desk->rows);
        each->count = PART(int32_t, sparse ? pass->batch_size : 0);
        each->column = PART(int32_t, sparse);
        each->sample = PART(int32_t, sparse);
        each->sorted = PART(REAL, sparse);
        each->first = OWN(int32_t, n_sorted);
    }
#undef PART
#undef OWN
    return end;
}

/* Copies own units from a flat vector into panels, or back. */
static TARGET void NAME(exchange)(const struct pass *pass, const struct desk *desk, int k, REAL *vector, int back) {
    enum { SIDE = 16 };                      /* a square is turned at once, so that both sides go by lines */
    const int64_t n_x = pass->n_features, n_h = pass->n_hidden, n_y = pass->n_y;
    const REAL *b1 = vector + n_h * n_x, *W2 = b1 + n_h;
#define COPY(mine, theirs) (back ? (*(REAL *)&(theirs) = mine) : (mine = theirs))
    if (!back) memset(desk->own[k], 0, (n_x + 1 + n_y) * desk->n_vectors * sizeof(vec));
    for EACH(p, desk->n_panels) {
        const struct panel panel = NAME(panel_of)(pass, desk, p);
        const int64_t left = desk->n_units - panel.unit, n = left < panel.wide ? left : panel.wide, h = desk->unit + panel.unit;
        REAL *own = panel.own[k], *row = own + n_x * panel.wide;
        for (int64_t f = 0; f < n_x; f += SIDE)
            for EACH(j, n)
                for (int64_t i = f; i < n_x && i < f + SIDE; i++) COPY(own[i * panel.wide + j], vector[(h + j) * n_x + i]);
        for EACH(j, n) COPY(row[j], b1[h + j]);
        for EACH(o, n_y)
            for EACH(j, n) COPY(row[(o + 1) * panel.wide + j], W2[o * n_h + h + j]);
    }
    if (desk->unit == 0) for EACH(o, n_y) COPY(desk->b2[k][o], vector[n_h * (n_x + 1 + n_y) + o]);
#undef COPY
}

static TARGET void NAME(exchange_all)(const struct pass *pass, const struct desk *desk, int back) {
    void *const vectors[3] = {pass->parameters, pass->first, pass->second};
    for (int k = 0; k < 3; k++)
        if (vectors[k]) NAME(exchange)(pass, desk, k, (REAL *)vectors[k], back);
}

/* A row of the samples in the type of the computation: all features, or those that are not zero, and how many. */
INLINE int64_t NAME(bring_row)(const struct pass *pass, int64_t row, REAL *restrict x, int32_t *restrict column) {
    const int64_t n_x = pass->n_features;
    const REAL factor = (REAL)pass->factor;
    int64_t n = 0;
#define KEEP(f) x[n] = (REAL)values[f] * factor; column[n] = (int32_t)(f); n += values[f] != 0
#define BRING(type) { \
        const type *values = (const type *)pass->x + (pass->start ? pass->start[row] : row * n_x); \
        if (pass->start) { \
            const int32_t *features = pass->column + pass->start[row]; \
            int64_t n_values = pass->start[row + 1] - pass->start[row]; \
            if (column) for (; n < n_values; n++) { x[n] = (REAL)values[n] * factor; column[n] = features[n]; } \
            else { \
                memset(x, 0, n_x * sizeof(REAL)); \
                for EACH(e, n_values) x[features[e]] = (REAL)values[e] * factor; \
            } \
        } else if (column) { \
            int64_t f = 0; \
            for (; f + 8 <= n_x; f += 8) { \
                uint64_t several = 1; \
                if (sizeof(type) == 1) memcpy(&several, values + f, 8); \
                if (several) for EACH(i, 8) { KEEP(f + i); } \
            } \
            for (; f < n_x; f++) { KEEP(f); } \
        } \
        else for EACH(f, n_x) x[f] = (REAL)values[f] * factor; \
    }
    if (pass->storage == BYTES) BRING(uint8_t)
    else if (pass->storage == FLOATS) BRING(float)
    else BRING(double)
#undef BRING
#undef KEEP
    return n;
}

/* Own samples of a mini-batch: a part of its lines. */
INLINE int64_t NAME(first_line)(const struct pass *pass, const struct mini_batch *batch, int64_t thread) {
    return (batch->n + LENGTH - 1) / LENGTH * thread / pass->n_threads;
}

/* Brings a row in without its zeros, and counts the values of each feature. */
INLINE void NAME(gather_sparse)(const struct pass *pass, struct desk *desk, struct mini_batch *batch, int64_t s, int64_t row) {
    int32_t *column = batch->column + s * pass->room;
    const int64_t n = NAME(bring_row)(pass, row, batch->x + s * pass->room, column);
    batch->count[s] = (int32_t)n;
    for EACH(e, n) desk->counts[column[e]]++;
}

/* Brings some samples of a mini-batch in: whole lines, of which the first n are there. */
static TARGET void NAME(gather_lines)(const struct pass *pass, struct desk *desk, struct mini_batch *batch,
                                      int64_t begin, int64_t from, int64_t to) {
    const int64_t n_x = pass->n_features, rows = desk->rows;
    for (int64_t s = from; s < to; s++) {
        const int is_there = s < batch->n;
        const int64_t row = !is_there ? 0 : pass->order ? pass->order[begin + s] : begin + s;
        batch->label[s] = is_there && pass->label ? pass->label[row] : -1;
        batch->weight[s] = !is_there ? 0 : pass->weight ? ((const REAL *)pass->weight)[row] : 1;
        if (pass->skips_zeros) {
            if (is_there) NAME(gather_sparse)(pass, desk, batch, s, row);
            continue;
        }
        if (is_there) NAME(bring_row)(pass, row, desk->line + s % LENGTH * n_x, 0);
        if ((s + 1) % LENGTH) continue;
        REAL *x = batch->x + s + 1 - LENGTH; /* of samples that are not there it holds numbers that nobody reads */
        for EACH(f, n_x)
            for EACH(i, LENGTH) x[f * rows + i] = desk->line[i * n_x + f];
    }
}

/* Brings own samples of a mini-batch in. */
static TARGET void NAME(gather)(const struct pass *pass, struct desk *desk, int64_t thread, int64_t number) {
    struct mini_batch *batch = &desk->batches[number % 2];
    const int64_t begin = number * pass->batch_size;
    batch->n = pass->n_samples - begin < pass->batch_size ? pass->n_samples - begin : pass->batch_size;
    const int64_t from = NAME(first_line)(pass, batch, thread), to = NAME(first_line)(pass, batch, thread + 1);
    if (pass->skips_zeros) memset(desk->counts, 0, pass->n_features * sizeof(int32_t));
    NAME(gather_lines)(pass, desk, batch, begin, from * LENGTH, to * LENGTH);
}

/* Sorts own samples' values by features: in each the samples stand in their order, whichever thread they are of. */
static TARGET void NAME(sort_by_feature)(const struct pass *pass, struct desk *desk, int64_t thread, int64_t number) {
    struct mini_batch *batch = &desk->batches[number % 2];
    const int64_t n_x = pass->n_features;
    int32_t end = 0;
    for EACH(f, n_x) {
        batch->first[f] = end;
        for EACH(t, pass->n_threads) {
            if (t == thread) desk->place[f] = end;
            end += desk->all_counts[t * n_x + f];
        }
    }
    batch->first[n_x] = end;
    const int64_t from = NAME(first_line)(pass, batch, thread) * LENGTH;
    const int64_t to = NAME(first_line)(pass, batch, thread + 1) * LENGTH;
    for (int64_t s = from; s < to && s < batch->n; s++) {
        const REAL *x = batch->x + s * pass->room;
        const int32_t *column = batch->column + s * pass->room;
        for EACH(e, batch->count[s]) {
            int32_t at = desk->place[column[e]]++;
            batch->sample[at] = (int32_t)s;
            batch->sorted[at] = x[e];
        }
    }
}

/* Rows that registers hold the sums of at once, beside so many vectors. */
#define ROWS_OF(n_vectors) (ACCUMULATORS / (n_vectors) < 8 ? ACCUMULATORS / (n_vectors) : 8)

/* out[i] = start[i] + the sum over k of x[i * row + k * step] times row k of w, for rows i and vectors that registers hold;
   all have `wide` vectors in a row, but start may have one row for all, or be NULL: 0. */
INLINE void NAME(block)(const int n_rows, const int n_vectors, int64_t n, const REAL *x, int64_t row, int64_t step,
                        int64_t wide, const vec *w, const vec *start, int64_t start_wide, vec *out) {
    vec sum[8][VECTORS_BLOCK];
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++) sum[i][v] = start ? start[i * start_wide + v] : (vec){0};
    for EACH(k, n)
        for (int i = 0; i < n_rows; i++)
            for (int v = 0; v < n_vectors; v++) sum[i][v] += x[i * row + k * step] * w[k * wide + v];
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++) out[i * wide + v] = sum[i][v];
}

/* The same for any number of rows. */
INLINE void NAME(blocks)(const int n_vectors, int64_t n_rows, int64_t n, const REAL *x, int64_t row, int64_t step,
                         int64_t wide, const vec *w, const vec *start, int64_t start_wide, vec *out) {
    const int most = ROWS_OF(n_vectors);
    int64_t i = 0;
#define ROWS(c) \
    NAME(block)(c, n_vectors, n, x + i * row, row, step, wide, w, start ? start + i * start_wide : 0, start_wide, out + i * wide)
    for (; i + most <= n_rows; i += most) ROWS(most);
    switch (n_rows - i) {
        case 1: ROWS(1); break;
        case 2: ROWS(2); break;
        case 3: ROWS(3); break;
#define REST(c) case c: if (c < most) ROWS(c); break;
        REST(4) REST(5) REST(6) REST(7)
    }
#undef REST
#undef ROWS
}

/* The same for any number of vectors: all of a panel. */
static __attribute__((noinline)) TARGET void NAME(product)(int64_t n_vectors, int64_t n_rows, int64_t n, const REAL *x,
                                                           int64_t row, int64_t step, const REAL *w, const REAL *start,
                                                           int64_t start_wide, REAL *out) {
    const int64_t n_parts = (n_vectors + VECTORS_BLOCK - 1) / VECTORS_BLOCK;
    for EACH(part, n_parts) {
        const int64_t v = part * n_vectors / n_parts;
        switch ((part + 1) * n_vectors / n_parts - v) {
#define BLOCKS(c) \
    case c: \
        NAME(blocks)(c, n_rows, n, x, row, step, n_vectors, (const vec *)w + v, start ? (const vec *)start + v : 0, \
                     start_wide, (vec *)out + v); \
        break;
            BLOCKS(1) BLOCKS(2) BLOCKS(3)
#if VECTORS_BLOCK > 3
            BLOCKS(4)
#endif
#undef BLOCKS
        }
    }
}

/* Moves n parameters at a place by their gradient; weights (not biases) are also pulled towards 0. */
static __attribute__((noinline)) TARGET void NAME(move)(const struct pass *pass, const double *numbers,
                                                        REAL *const *own, int64_t at, int64_t n,
                                                        const REAL *restrict slope, int is_weight) {
    const REAL rate = (REAL)numbers[RATE], correction = (REAL)numbers[CORRECTION];
    const REAL kept = is_weight ? (REAL)numbers[KEPT] : 1, l2 = is_weight ? (REAL)pass->l2 : 0;
    REAL *restrict p = own[0] + at, *restrict first = own[1] + at, *restrict second = own[2] + at;
    if (pass->rule == ADAM) {
        const REAL decay1 = (REAL)pass->decay1, decay2 = (REAL)pass->decay2, epsilon = (REAL)pass->epsilon;
        const REAL rest1 = (REAL)(1 - pass->decay1), rest2 = (REAL)(1 - pass->decay2);
        for EACH(i, n) {
            REAL g = slope[i] + l2 * p[i], m = decay1 * first[i] + rest1 * g, v = decay2 * second[i] + rest2 * (g * g);
            first[i] = m;
            second[i] = v;
            p[i] = kept * p[i] - rate * m / (SQRT(v * correction) + epsilon);
        }
    } else {
        const REAL momentum = (REAL)pass->decay1;
        for EACH(i, n) {
            REAL push = rate * (slope[i] + l2 * p[i]), velocity = momentum * first[i] - push;
            first[i] = velocity;
            p[i] = kept * p[i] + (momentum * velocity - push);
        }
    }
}

/* Brings the numbers at a place that are about to be moved near. */
INLINE void NAME(fetch)(const struct panel *panel, int64_t at, int64_t n) {
    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < n; i += LENGTH) __builtin_prefetch(panel->own[k] + at + i, 1);
}

/* Moves rows of weights of a panel: the gradient of row i is the sum over the samples of x[i * row + s] times row s of w. */
INLINE void NAME(move_rows)(const struct pass *pass, const double *numbers, const struct panel *panel, int64_t first,
                            int64_t n_rows, int64_t n, const REAL *x, int64_t row, const REAL *w) {
    REAL slope[8 * SPARSE_BLOCK * LANES] __attribute__((aligned(LINE)));
    const int64_t most = ROWS_OF(panel->n_vectors < VECTORS_BLOCK ? panel->n_vectors : VECTORS_BLOCK);
    for (int64_t i = 0; i < n_rows; i += most) {
        const int64_t n_block = n_rows - i < most ? n_rows - i : most, at = (first + i) * panel->wide;
        NAME(fetch)(panel, at, n_block * panel->wide);
        NAME(product)(panel->n_vectors, n_block, n, x + i * row, row, 1, w, 0, 0, slope);
        NAME(move)(pass, numbers, panel->own, at, n_block * panel->wide, slope, 1);
    }
}

/* Z1 of the samples in a panel, from all features: these by parts, so that their weights stay near. */
INLINE void NAME(hidden_dense)(const struct pass *pass, const struct desk *desk, const struct panel *panel,
                               const struct mini_batch *batch) {
    const int64_t n_x = pass->n_features, most = NEAR / (panel->n_vectors * WIDTH), n_parts = (n_x + most - 1) / most;
    for EACH(part, n_parts) {
        const int64_t f = part * n_x / n_parts, n = (part + 1) * n_x / n_parts - f;
        const REAL *start = part ? panel->A1 : panel->own[0] + n_x * panel->wide;
        NAME(product)(panel->n_vectors, batch->n, n, batch->x + f * desk->rows, 1, desk->rows,
                      panel->own[0] + f * panel->wide, start, part ? panel->n_vectors : 0, panel->A1);
    }
}

/* The same from the features that are not zero. */
INLINE void NAME(hidden_sparse)(const int n_vectors, const struct pass *pass, const struct panel *panel,
                                const struct mini_batch *batch) {
    const vec *W1 = (const vec *)panel->own[0], *b1 = W1 + pass->n_features * n_vectors;
    for EACH(s, batch->n) {
        const REAL *x = batch->x + s * pass->room;
        const int32_t *column = batch->column + s * pass->room;
        vec sum[SPARSE_BLOCK], *z = (vec *)panel->A1 + s * n_vectors;
        for (int v = 0; v < n_vectors; v++) sum[v] = b1[v];
        for EACH(e, batch->count[s]) {
            const vec *w = W1 + (int64_t)column[e] * n_vectors;
            ONE_ADDRESS(w);
            for (int v = 0; v < n_vectors; v++) sum[v] += x[e] * w[v];
        }
        for (int v = 0; v < n_vectors; v++) z[v] = sum[v];
    }
}

/* Moves the weights of a panel from all features, of which the zeros are skipped. */
INLINE void NAME(move_sparse)(const int n_vectors, const struct pass *pass, const double *numbers,
                              const struct panel *panel, const struct mini_batch *batch, const vec *dZ1) {
    for EACH(f, pass->n_features) {
        vec sum[SPARSE_BLOCK];
        REAL slope[SPARSE_BLOCK * LANES] __attribute__((aligned(LINE)));
        NAME(fetch)(panel, (f + 1) * panel->wide, panel->wide);
        for (int v = 0; v < n_vectors; v++) sum[v] = (vec){0};
        for (int64_t e = batch->first[f]; e < batch->first[f + 1]; e++) {
            const vec *d = dZ1 + (int64_t)batch->sample[e] * n_vectors;
            ONE_ADDRESS(d);
            for (int v = 0; v < n_vectors; v++) sum[v] += batch->sorted[e] * d[v];
        }
        memcpy(slope, sum, n_vectors * sizeof(vec));
        NAME(move)(pass, numbers, panel->own, f * panel->wide, n_vectors * LANES, slope, 1);
    }
}

#define EACH_SPARSE(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8)

/* Adds what a panel brings to the outputs, or begins their sums with it. */
INLINE void NAME(add_outputs)(const struct pass *pass, const struct desk *desk, const struct panel *panel, int64_t n,
                              int is_first) {
    const vec *W2 = (const vec *)(panel->own[0] + (pass->n_features + 1) * panel->wide);
    for EACH(s, n) {
        const vec *a = (const vec *)(panel->A1 + s * panel->wide);
        for EACH(o, pass->n_y) {
            const vec *w = W2 + o * panel->n_vectors;
            vec sums = {0};
            for EACH(v, panel->n_vectors) sums += w[v] * a[v];
            REAL sum = is_first ? 0 : desk->Z2[o * desk->rows + s];
            for (int i = 0; i < LANES; i++) sum += sums[i];
            desk->Z2[o * desk->rows + s] = sum;
        }
    }
}

/* Activations of own units for the whole mini-batch, and what of them reaches the outputs. */
static TARGET void NAME(go_forward)(const struct pass *pass, const struct desk *desk, const struct mini_batch *batch) {
    for EACH(p, desk->n_panels) {
        const struct panel panel = NAME(panel_of)(pass, desk, p);
        if (pass->skips_zeros) switch (panel.n_vectors) {
#define FORWARD(c) case c: NAME(hidden_sparse)(c, pass, &panel, batch); break;
            EACH_SPARSE(FORWARD)
#undef FORWARD
        } else NAME(hidden_dense)(pass, desk, &panel, batch);
        NAME(activate)(pass->activation, batch->n * panel.wide, panel.A1);
        if (panel.unit + panel.wide > desk->n_units)
            for EACH(s, batch->n)
                for (int64_t h = desk->n_units - panel.unit; h < panel.wide; h++) panel.A1[s * panel.wide + h] = 0;
        NAME(add_outputs)(pass, desk, &panel, batch->n, p == 0);
    }
}

/* Loss of own samples and slope at their outputs. */
static TARGET void NAME(compare)(const struct pass *pass, const struct desk *desk, const struct mini_batch *batch,
                                 int64_t thread) {
    const int64_t n_y = pass->n_y, rows = desk->rows;
    const int64_t from = NAME(first_line)(pass, batch, thread), to = NAME(first_line)(pass, batch, thread + 1);
    double total = 0, *figures = pass->figures + thread * (LINE / 8);
    for EACH(s, batch->n) total += (double)batch->weight[s];
    const REAL part = (REAL)(total > 0 ? 1 / total : 0);
    REAL cost[LENGTH] = {0}, weight[LENGTH];
    for (int64_t line = from; line < to; line++) {
        const int32_t *label = batch->label + line * LENGTH;
        for EACH(o, n_y) {
            REAL *z = desk->line + o * LENGTH;
            for EACH(i, LENGTH) z[i] = desk->b2[0][o];
            for EACH(t, pass->n_threads) {
                const REAL *of_thread = desk->parts + (t * n_y + o) * rows + line * LENGTH;
                for EACH(i, LENGTH) z[i] += of_thread[i];
            }
        }
        for EACH(i, LENGTH) weight[i] = batch->weight[line * LENGTH + i] * part;
        figures[1] += pass->loss == LOG && n_y > 1 ? NAME(softmax_slopes)(n_y, weight, label, desk->line, cost)
                                                   : NAME(sigmoid_slopes)(pass->loss, n_y, weight, label, desk->line, cost);
        for EACH(o, n_y) memcpy(desk->dZ2 + o * rows + line * LENGTH, desk->line + o * LENGTH, LENGTH * sizeof(REAL));
    }
    for EACH(i, LENGTH) figures[0] += (double)cost[i] * total;
}

/* Moves a panel by its gradient, from the slope at the outputs. */
INLINE void NAME(move_panel)(const struct pass *pass, const struct desk *desk, const struct panel *panel,
                             const struct mini_batch *batch, const double *numbers) {
    const int64_t n = batch->n, n_x = pass->n_features, n_y = pass->n_y, wide = panel->wide, rows = desk->rows;
    REAL *dZ1 = desk->dZ1, slope[SPARSE_BLOCK * LANES] = {0};
    const REAL *W2 = panel->own[0] + (n_x + 1) * wide;
    NAME(product)(panel->n_vectors, n, n_y, desk->dZ2, 1, rows, W2, 0, 0, dZ1);
    NAME(through_activation)(pass->activation, n * wide, panel->A1, dZ1);
    for EACH(s, n)
        for EACH(h, wide) slope[h] += dZ1[s * wide + h];
    NAME(move_rows)(pass, numbers, panel, n_x + 1, n_y, n, desk->dZ2, rows, panel->A1);
    NAME(move)(pass, numbers, panel->own, n_x * wide, wide, slope, 0);
    if (pass->skips_zeros) switch (panel->n_vectors) {
#define BACKWARD(c) case c: NAME(move_sparse)(c, pass, numbers, panel, batch, (const vec *)dZ1); break;
        EACH_SPARSE(BACKWARD)
#undef BACKWARD
    } else NAME(move_rows)(pass, numbers, panel, 0, n_x, n, batch->x, rows, dZ1);
}

/* Moves all that is own by its gradient. */
static TARGET void NAME(go_backward)(const struct pass *pass, const struct desk *desk, const struct mini_batch *batch,
                                     const double *numbers, int64_t thread) {
    for EACH(p, desk->n_panels) {
        const struct panel panel = NAME(panel_of)(pass, desk, p);
        NAME(move_panel)(pass, desk, &panel, batch, numbers);
    }
    if (thread == 0) for EACH(o, pass->n_y) {
        REAL slope = 0;
        for EACH(s, batch->n) slope += desk->dZ2[o * desk->rows + s];
        NAME(move)(pass, numbers, desk->b2, o, 1, &slope, 0);
    }
}

/* Work of one thread of a prediction: one mini-batch of rows after the other, through all units. */
static TARGET void NAME(predict)(struct pass *pass, int64_t thread) {
    struct pass alone = *pass;
    struct desk desk;
    alone.n_threads = 1;
    NAME(lay_out)(&alone, (char *)pass->scratch + thread * NAME(lay_out)(&alone, 0, 0, &desk), 0, &desk);
    NAME(exchange_all)(&alone, &desk, 0);
    const int64_t n_y = pass->n_y, size = pass->batch_size;
    for (int64_t from; (from = size * __atomic_fetch_add(&pass->turn, 1, __ATOMIC_RELAXED)) < pass->n_samples;) {
        struct mini_batch *batch = &desk.batches[0];
        batch->n = pass->n_samples - from < size ? pass->n_samples - from : size;
        if (pass->skips_zeros) memset(desk.counts, 0, pass->n_features * sizeof(int32_t));
        NAME(gather_lines)(&alone, &desk, batch, from, 0, (batch->n + LENGTH - 1) / LENGTH * LENGTH);
        NAME(go_forward)(&alone, &desk, batch);
        for EACH(s, batch->n)
            for EACH(o, n_y) ((REAL *)pass->outputs)[(from + s) * n_y + o] = desk.Z2[o * desk.rows + s] + desk.b2[0][o];
    }
}

/* Work of one thread: the mini-batches from .. to - 1 of the pass. */
static TARGET void NAME(train)(struct pass *pass, int64_t thread) {
    struct desk desk;
    NAME(lay_out)(pass, (char *)pass->scratch, thread, &desk);
    if (pass->from == 0) NAME(exchange_all)(pass, &desk, 0);
    NAME(gather)(pass, &desk, thread, pass->from);
    int goes_on = meet(pass);
    if (goes_on && pass->skips_zeros) NAME(sort_by_feature)(pass, &desk, thread, pass->from);
    for (int64_t k = pass->from; goes_on && k < pass->to; k++) {
        const struct mini_batch *batch = &desk.batches[k % 2];
        const int is_another = k + 1 < pass->to;
        NAME(go_forward)(pass, &desk, batch);
        if (!(goes_on = meet(pass))) break;
        NAME(compare)(pass, &desk, batch, thread);
        if (is_another) NAME(gather)(pass, &desk, thread, k + 1);
        if (!(goes_on = meet(pass))) break;
        if (is_another && pass->skips_zeros) NAME(sort_by_feature)(pass, &desk, thread, k + 1);
        NAME(go_backward)(pass, &desk, batch, pass->moves + k * N_NUMBERS, thread);
    }
    if (goes_on && pass->to * pass->batch_size >= pass->n_samples) NAME(exchange_all)(pass, &desk, 1);
}

static TARGET void NAME(descend)(struct pass *pass, int64_t thread) {
    const uint64_t precision = flush_to_zero();
    (pass->outputs ? NAME(predict) : NAME(train))(pass, thread);
    restore_precision(precision);
}

static TARGET int64_t NAME(pass_bytes)(const struct pass *pass) {
    struct pass alone = *pass;
    struct desk desk;
    if (!pass->outputs) return NAME(lay_out)(pass, 0, 0, &desk);
    alone.n_threads = 1;
    return pass->n_threads * NAME(lay_out)(&alone, 0, 0, &desk);
}

#undef SQRT
#undef mini_batch
#undef desk
#undef panel
#undef EACH_SPARSE
#undef ROWS_OF

#endif
