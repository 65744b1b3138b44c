/* The inner loops of twolayer.engines.minibatch: a pass of training over mini-batches. kernel.c includes this file, the
   first part once and the second part for each type of numbers and level of the processor.

   Threads share the hidden units. Each keeps the weights of its own units in its own memory, a row for each feature, and
   goes forward and backward through the whole mini-batch with them. So no gradient is ever stored, joined or cleared:
   a row of dW1 is summed in registers over the mini-batch, and moves its weights at once. The threads meet twice in a
   mini-batch: to add up what reaches the outputs, and to share the slopes there. In between each brings a part of the
   next mini-batch in.

   A mini-batch lies in memory as rows of all features, or without its zeros: as rows for the way forward, and sorted by
   features for the way backward. */

#ifndef LEVEL

#ifndef _WIN32
#include <sched.h>
#endif

enum { ADAM, MOMENTUM };                     /* rule, in the order of minibatch.RULES */
enum { RATE, CORRECTION, KEPT, N_NUMBERS };  /* numbers of a move, see `twolayer.engines.minibatch` */
enum { PATIENCE = 4096 };                    /* looks at what the others do before the processor is offered to them */
enum { CACHE = 40000 };                      /* bytes of dZ1 that the way backward goes over again and again */
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
    const int32_t *label;                    /* class of each row */
    const void *weight;                      /* of each row, in the type; NULL: all alike */
    const int64_t *order;                    /* (n_samples): which rows, in which order */
    const double *moves;                     /* for each mini-batch its numbers */
    void *parameters, *first, *second;       /* flat vectors that are moved; `second` is NULL where the rule has none */
    double *figures;                         /* (n_threads, LINE): cost and right predictions, added to */
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

/* A mini-batch. */
struct mini_batch {
    int64_t n;                               /* samples */
    REAL *x;                                 /* all features: (batch, n_features); without zeros: (batch, room) */
    int32_t *column, *count;                 /* without zeros: the feature of each, and how many there are in a row */
    REAL *sorted;                            /* without zeros: the values again, by their features */
    int32_t *sample, *first;                 /* which sample each is of, and where a feature begins */
    REAL *weight;                            /* (rows) */
    int32_t *label;                          /* (rows) */
};

/* The memory of a pass as one thread sees it. */
struct desk {
    int64_t unit, n_units, wide;             /* own hidden units, and numbers in a row of them: whole vectors */
    int64_t rows;                            /* samples of a mini-batch, filled up to whole lines */
    int64_t size;                            /* numbers in `own` */
    REAL *own[3];                            /* W1 (n_features, wide), b1 (wide), W2 (n_y, wide); then their moments */
    REAL *b2[3];
    REAL *A1, *dZ1;                          /* own units: (batch, wide) */
    REAL *Z2, *parts, *dZ2;                  /* outputs: own part and those of all threads (n_y, rows); their slope */
    int32_t *counts, *all_counts, *place;    /* of the next mini-batch: values of each feature, own and all threads' */
    REAL *slope, *line;                      /* (wide); outputs of a line of samples (n_y, LENGTH) */
    struct mini_batch batches[2];
};

/* Lays out the memory that begins at scratch for a thread; returns how many bytes all need. */
static TARGET int64_t NAME(lay_out)(const struct pass *pass, char *scratch, int64_t thread, struct desk *desk) {
    const int64_t n_threads = pass->n_threads, n_vectors = (pass->n_hidden + LANES - 1) / LANES;
    const int64_t from = thread * n_vectors / n_threads, to = (thread + 1) * n_vectors / n_threads;
    const int64_t widest = (n_vectors + n_threads - 1) / n_threads * LANES, n_x = pass->n_features;
    const int64_t sparse = pass->skips_zeros ? pass->batch_size * pass->room : 0, n_sorted = sparse ? n_x + 1 : 0;
    int64_t end = 0;
#define PART(type, n) (type *)take_part(scratch, &end, (n) * (int64_t)sizeof(type), 1, 0)
#define OWN(type, n) (type *)take_part(scratch, &end, (n) * (int64_t)sizeof(type), n_threads, thread)
    desk->unit = from * LANES;
    desk->wide = (to - from) * LANES;
    desk->n_units = (to * LANES < pass->n_hidden ? to * LANES : pass->n_hidden) - desk->unit;
    desk->rows = (pass->batch_size + LENGTH - 1) / LENGTH * LENGTH;
    desk->size = (n_x + 1 + pass->n_y) * desk->wide;
    for (int k = 0; k < 3; k++) {
        desk->own[k] = OWN(REAL, (n_x + 1 + pass->n_y) * widest);
        desk->b2[k] = PART(REAL, pass->n_y);
    }
    desk->A1 = OWN(REAL, pass->batch_size * widest);
    desk->dZ1 = OWN(REAL, pass->batch_size * widest);
    desk->slope = OWN(REAL, widest);
    desk->line = OWN(REAL, pass->n_y * LENGTH);
    desk->parts = PART(REAL, n_threads * pass->n_y * desk->rows);
    desk->Z2 = desk->parts ? desk->parts + thread * pass->n_y * desk->rows : 0;
    desk->dZ2 = PART(REAL, pass->n_y * desk->rows);
    desk->all_counts = PART(int32_t, sparse ? n_threads * n_x : 0);
    desk->counts = desk->all_counts ? desk->all_counts + thread * n_x : 0;
    desk->place = OWN(int32_t, n_sorted);
    for (int k = 0; k < 2; k++) {
        struct mini_batch *each = &desk->batches[k];
        each->x = PART(REAL, pass->batch_size * (sparse ? pass->room : n_x));
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

/* Copies own units from the flat vectors, or back to them. */
static TARGET void NAME(exchange)(const struct pass *pass, const struct desk *desk, int64_t thread, int back) {
    enum { SIDE = 16 };                      /* a square is turned at once, so that both sides go by lines */
    const int64_t n_x = pass->n_features, n_h = pass->n_hidden, n_y = pass->n_y, wide = desk->wide;
    REAL *vectors[3] = {(REAL *)pass->parameters, (REAL *)pass->first, (REAL *)pass->second};
#define COPY(mine, theirs) (back ? (theirs = mine) : (mine = theirs))
    for (int k = 0; k < 3; k++) {
        if (!vectors[k]) continue;
        REAL *W1 = vectors[k] + desk->unit * n_x, *b1 = vectors[k] + n_h * n_x + desk->unit;
        REAL *W2 = vectors[k] + n_h * (n_x + 1) + desk->unit, *b2 = vectors[k] + n_h * (n_x + 1 + n_y);
        REAL *own = desk->own[k];
        for (int64_t f = 0; f < n_x; f += SIDE)
            for EACH(h, desk->n_units)
                for (int64_t i = f; i < n_x && i < f + SIDE; i++) COPY(own[i * wide + h], W1[h * n_x + i]);
        own += n_x * wide;
        for EACH(h, desk->n_units) COPY(own[h], b1[h]);
        own += wide;
        for EACH(o, n_y)
            for EACH(h, desk->n_units) COPY(own[o * wide + h], W2[o * n_h + h]);
        if (thread == 0) for EACH(o, n_y) COPY(desk->b2[k][o], b2[o]);
    }
#undef COPY
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

/* Brings own samples of a mini-batch in, and counts the values of each feature. */
static TARGET void NAME(gather)(const struct pass *pass, struct desk *desk, int64_t thread, int64_t number) {
    struct mini_batch *batch = &desk->batches[number % 2];
    const int64_t n_x = pass->n_features, begin = number * pass->batch_size;
    batch->n = pass->n_samples - begin < pass->batch_size ? pass->n_samples - begin : pass->batch_size;
    const int64_t from = NAME(first_line)(pass, batch, thread) * LENGTH;
    const int64_t to = NAME(first_line)(pass, batch, thread + 1) * LENGTH;
    if (pass->skips_zeros) memset(desk->counts, 0, n_x * sizeof(int32_t));
    for (int64_t s = from; s < to; s++) {
        if (s >= batch->n) {
            batch->label[s] = -1;
            batch->weight[s] = 0;
            continue;
        }
        int64_t row = pass->order[begin + s];
        batch->label[s] = pass->label[row];
        batch->weight[s] = pass->weight ? ((const REAL *)pass->weight)[row] : 1;
        if (pass->skips_zeros) {
            int32_t *column = batch->column + s * pass->room;
            int64_t n = NAME(bring_row)(pass, row, batch->x + s * pass->room, column);
            batch->count[s] = (int32_t)n;
            for EACH(e, n) desk->counts[column[e]]++;
        } else NAME(bring_row)(pass, row, batch->x + s * n_x, 0);
    }
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

/* out[i] = start + the sum over k of x[i * row + k * step] times row k of w, for rows i and vectors that registers hold */
INLINE void NAME(block_of)(const int n_rows, const int n_vectors, int64_t n, const REAL *x, int64_t row, int64_t step,
                           const REAL *w, int64_t wide, const REAL *start, REAL *out, int64_t out_wide) {
    vec sum[ROWS_BLOCK][VECTORS_BLOCK];
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++) sum[i][v] = start ? ((const vec *)start)[v] : (vec){0};
    for EACH(k, n) {
        const vec *weights = (const vec *)(w + k * wide);
        for (int i = 0; i < n_rows; i++)
            for (int v = 0; v < n_vectors; v++) sum[i][v] += x[i * row + k * step] * weights[v];
    }
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++) ((vec *)(out + i * out_wide))[v] = sum[i][v];
}

static __attribute__((noinline)) TARGET void NAME(block)(
    int64_t n_rows, int64_t n_vectors, int64_t n, const REAL *x, int64_t row, int64_t step, const REAL *w, int64_t wide,
    const REAL *start, REAL *out, int64_t out_wide) {
    switch (n_rows * 8 + n_vectors) {
#define BLOCK(r, v) case r * 8 + v: NAME(block_of)(r, v, n, x, row, step, w, wide, start, out, out_wide); break;
#define ROWS(v) BLOCK(1, v) BLOCK(2, v) BLOCK(3, v) BLOCK(4, v)
        ROWS(1) ROWS(2) ROWS(3)
#if VECTORS_BLOCK > 3
        ROWS(4)
#endif
#if ROWS_BLOCK > 4
        BLOCK(5, 1) BLOCK(5, 2) BLOCK(5, 3) BLOCK(6, 1) BLOCK(6, 2) BLOCK(6, 3)
#if VECTORS_BLOCK > 3
        BLOCK(5, 4) BLOCK(6, 4)
#endif
#endif
#undef ROWS
#undef BLOCK
    }
}

/* Parts of n things, at most so many in each, as even as can be: where part k begins. */
#define N_PARTS(n, most) (((n) + (most) - 1) / (most))

/* The same for all rows and all own units. */
INLINE void NAME(product)(int64_t n_rows, int64_t n, const REAL *x, int64_t row, int64_t step, const REAL *w,
                          int64_t wide, const REAL *start, REAL *out) {
    const int64_t n_vectors = wide / LANES, n_parts = N_PARTS(n_vectors, VECTORS_BLOCK);
    for EACH(part, n_parts) {
        const int64_t v = part * n_vectors / n_parts, at = v * LANES, n_v = (part + 1) * n_vectors / n_parts - v;
        for (int64_t i = 0; i < n_rows; i += ROWS_BLOCK)
            NAME(block)(n_rows - i < ROWS_BLOCK ? n_rows - i : ROWS_BLOCK, n_v, n, x + i * row, row, step, w + at, wide,
                        start ? start + at : 0, out + i * wide + at, wide);
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

/* Moves rows of weights, those at a place in `own`: the gradient of row i is the sum over the samples of x[i * row +
   s * step] times row s of w. */
INLINE void NAME(move_rows)(const struct pass *pass, const double *numbers, const struct desk *desk, int64_t place,
                            int64_t n_rows, int64_t n, const REAL *x, int64_t row, int64_t step, const REAL *w) {
    const int64_t wide = desk->wide, n_vectors = wide / LANES, n_parts = N_PARTS(n_vectors, VECTORS_BLOCK);
    REAL slope[ROWS_BLOCK * VECTORS_BLOCK * LANES] __attribute__((aligned(LINE)));
    for EACH(part, n_parts) {
        const int64_t v = part * n_vectors / n_parts, at = v * LANES, n_v = (part + 1) * n_vectors / n_parts - v;
        for (int64_t i = 0; i < n_rows; i += ROWS_BLOCK) {
            const int64_t n_block = n_rows - i < ROWS_BLOCK ? n_rows - i : ROWS_BLOCK;
            NAME(block)(n_block, n_v, n, x + i * row, row, step, w + at, wide, 0, slope, n_v * LANES);
            for EACH(j, n_block)
                NAME(move)(pass, numbers, desk->own, place + (i + j) * wide + at, n_v * LANES, slope + j * n_v * LANES, 1);
        }
    }
}

/* Z1 of one sample and some vectors of own units, from its values that are not zero. */
INLINE void NAME(forward_sparse)(const int n_vectors, int64_t n, const int32_t *column, const REAL *x, const REAL *W1,
                                 int64_t wide, const REAL *b1, REAL *z) {
    vec sum[SPARSE_BLOCK];
    for (int v = 0; v < n_vectors; v++) sum[v] = ((const vec *)b1)[v];
    for EACH(e, n) {
        const vec *w = (const vec *)(W1 + column[e] * wide);
        ONE_ADDRESS(w);
        for (int v = 0; v < n_vectors; v++) sum[v] += x[e] * w[v];
    }
    for (int v = 0; v < n_vectors; v++) ((vec *)z)[v] = sum[v];
}

/* Moves the weights from all features to some vectors of own units. */
INLINE void NAME(backward_sparse)(const int n_vectors, const struct pass *pass, const double *numbers,
                                  const struct desk *desk, const struct mini_batch *batch, int64_t at) {
    for EACH(f, pass->n_features) {
        vec sum[SPARSE_BLOCK];
        REAL slope[SPARSE_BLOCK * LANES] __attribute__((aligned(LINE)));
        for (int v = 0; v < n_vectors; v++) sum[v] = (vec){0};
        for (int64_t e = batch->first[f]; e < batch->first[f + 1]; e++) {
            const vec *d = (const vec *)(desk->dZ1 + batch->sample[e] * desk->wide + at);
            ONE_ADDRESS(d);
            for (int v = 0; v < n_vectors; v++) sum[v] += batch->sorted[e] * d[v];
        }
        memcpy(slope, sum, n_vectors * sizeof(vec));
        NAME(move)(pass, numbers, desk->own, f * desk->wide + at, n_vectors * LANES, slope, 1);
    }
}

#define EACH_SPARSE(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8)

/* Activations of own units for the whole mini-batch, and what of them reaches the outputs. */
static TARGET void NAME(go_forward)(const struct pass *pass, const struct desk *desk, const struct mini_batch *batch) {
    const int64_t n = batch->n, wide = desk->wide, n_vectors = wide / LANES, n_x = pass->n_features;
    const REAL *W1 = desk->own[0], *b1 = W1 + n_x * wide, *W2 = b1 + wide;
    if (!pass->skips_zeros) NAME(product)(n, n_x, batch->x, n_x, 1, W1, wide, b1, desk->A1);
    else {
        const int64_t n_parts = N_PARTS(n_vectors, SPARSE_BLOCK);
        for EACH(part, n_parts) {
            const int64_t v = part * n_vectors / n_parts, at = v * LANES;
            switch ((part + 1) * n_vectors / n_parts - v) {
#define FORWARD(c) case c: \
    for EACH(s, n) \
        NAME(forward_sparse)(c, batch->count[s], batch->column + s * pass->room, batch->x + s * pass->room, W1 + at, \
                             wide, b1 + at, desk->A1 + s * wide + at); \
    break;
                EACH_SPARSE(FORWARD)
#undef FORWARD
            }
        }
    }
    for EACH(s, n) {
        REAL *a = desk->A1 + s * wide;
        NAME(activate)(pass->activation, wide, a);
        for (int64_t h = desk->n_units; h < wide; h++) a[h] = 0; /* what only fills the row */
        for EACH(o, pass->n_y) {
            const vec *w = (const vec *)(W2 + o * wide);
            vec sums = {0};
            for EACH(v, n_vectors) sums += w[v] * ((const vec *)a)[v];
            REAL sum = 0;
            for (int i = 0; i < LANES; i++) sum += sums[i];
            desk->Z2[o * desk->rows + s] = sum;
        }
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

/* Moves all that is own by its gradient, from the slope at the outputs. */
static TARGET void NAME(go_backward)(const struct pass *pass, const struct desk *desk, const struct mini_batch *batch,
                                     const double *numbers, int64_t thread) {
    const int64_t n = batch->n, wide = desk->wide, n_vectors = wide / LANES, n_x = pass->n_features, n_y = pass->n_y;
    const int64_t b1 = n_x * wide, W2 = b1 + wide;
    NAME(product)(n, n_y, desk->dZ2, 1, desk->rows, desk->own[0] + W2, wide, 0, desk->dZ1);
    memset(desk->slope, 0, wide * sizeof(REAL));
    for EACH(s, n) {
        REAL *d = desk->dZ1 + s * wide;
        NAME(through_activation)(pass->activation, wide, desk->A1 + s * wide, d);
        for EACH(h, wide) desk->slope[h] += d[h];
    }
    NAME(move_rows)(pass, numbers, desk, W2, n_y, n, desk->dZ2, desk->rows, 1, desk->A1);
    NAME(move)(pass, numbers, desk->own, b1, wide, desk->slope, 0);
    if (thread == 0) for EACH(o, n_y) {
        REAL slope = 0;
        for EACH(s, n) slope += desk->dZ2[o * desk->rows + s];
        NAME(move)(pass, numbers, desk->b2, o, 1, &slope, 0);
    }
    if (!pass->skips_zeros) {
        NAME(move_rows)(pass, numbers, desk, 0, n_x, n, batch->x, 1, n_x, desk->dZ1);
        return;
    }
    const int64_t fit = CACHE / (n * (int64_t)sizeof(vec)), most = fit < 2 ? 2 : fit > SPARSE_BLOCK ? SPARSE_BLOCK : fit;
    const int64_t n_parts = N_PARTS(n_vectors, most);
    for EACH(part, n_parts) {
        const int64_t v = part * n_vectors / n_parts;
        switch ((part + 1) * n_vectors / n_parts - v) {
#define BACKWARD(c) case c: NAME(backward_sparse)(c, pass, numbers, desk, batch, v * LANES); break;
            EACH_SPARSE(BACKWARD)
#undef BACKWARD
        }
    }
}

/* Work of one thread: the mini-batches from .. to - 1 of the pass. */
static TARGET void NAME(descend)(struct pass *pass, int64_t thread) {
    const uint64_t precision = flush_to_zero();
    struct desk desk;
    NAME(lay_out)(pass, (char *)pass->scratch, thread, &desk);
    if (pass->from == 0) NAME(exchange)(pass, &desk, thread, 0);
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
    if (goes_on && pass->to * pass->batch_size >= pass->n_samples) NAME(exchange)(pass, &desk, thread, 1);
    restore_precision(precision);
}

static TARGET int64_t NAME(pass_bytes)(const struct pass *pass) {
    struct desk desk;
    return NAME(lay_out)(pass, 0, 0, &desk);
}

#undef SQRT
#undef mini_batch
#undef desk
#undef EACH_SPARSE
#undef N_PARTS

#endif
