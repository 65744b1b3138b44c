/* The inner loops of twolayer.engines.tiled: cost and gradients of a two-layer network over tiles of samples.

   A tile holds some samples side by side: for each feature that is not zero in all of them, their values stand one
   after the other; the other features are left out. The forward pass runs along samples, the backward pass along
   hidden units, both while the tile is in the cache, and no product with a whole row of zeros is made. In memory the
   samples of a tile make one cache line or more: a line is what the loops below go by.

   The file includes itself once for each type of numbers and level of the processor: see the table at its end. It needs
   the vectors of GCC or Clang; with another compiler there is no kernel, and the package computes with NumPy. */

#ifndef LEVEL

#include <stdint.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { SIGMOID, TANH, RELU };                /* activation, in the order of equations.ACTIVATIONS */
enum { SQUARE, LOG };                        /* loss, in the order of equations.LOSSES */
enum { BYTES, FLOATS, DOUBLES };             /* storage of features */
enum { LINE = 64 };                          /* bytes of a cache line */
enum { FLUSH = 4096 };                       /* samples summed in the type itself, before the sum is added to doubles */

/* Samples in tiles. */
struct samples {
    int64_t n_features, storage, tile;       /* tile: samples in one, as many as fill a line or lines */
    const int64_t *first;                    /* (n_tiles + 1): where the features of a tile begin */
    const int32_t *feature;                  /* which features those are */
    const void *x;                           /* their values, `tile` for each */
    const void *weight;                      /* (n_tiles, tile): 0 for what only fills a tile */
    const int32_t *label;                    /* (n_tiles, tile): class, -1 for what only fills a tile */
};

/* Networks side by side: network k has the hidden units unit[k] .. unit[k + 1] - 1 and n_y outputs of its own. */
struct networks {
    int64_t n_networks, n_hidden, n_padded, n_y, activation, loss;
    const int64_t *unit;                     /* (n_networks + 1) */
    const void *W1;                          /* as `twolayer_arrange` makes it */
    const void *b1;                          /* (n_hidden) */
    const void *W2;                          /* (n_y, n_hidden) */
    const void *b2;                          /* (n_networks, n_y) */
};

/* Sums over samples, each loss and slope times the sample's weight; what stood there before is overwritten. */
struct sums {
    double *dW1;                             /* (n_features, n_padded) */
    double *db1;                             /* (n_hidden) */
    double *dW2;                             /* (n_y, n_hidden) */
    double *db2;                             /* (n_networks, n_y) */
    double *cost;                            /* (n_networks) */
    double *correct;                         /* (n_networks) */
};

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(stem) JOIN(JOIN(stem, TYPE), LEVEL)
#define INLINE static inline __attribute__((always_inline)) TARGET
#define EACH(i, n) (int64_t i = 0; i < (n); i++)

static inline void rest_a_moment(void) {
#ifdef __x86_64__
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#include "minibatch.c"

static const double INVERSE_FACTORIAL[] = {1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320,
    1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};

enum { UNIT_VECTORS = 2 };                   /* vectors of hidden units that the backward pass takes at once */

/* Hidden units that the forward pass takes at once, by level. */
#ifdef __aarch64__
#define BASE_HIDDEN_BLOCK 6
#else
#define BASE_HIDDEN_BLOCK 2
#endif
#define AVX2_HIDDEN_BLOCK 6
#define AVX512_HIDDEN_BLOCK 12

/* For tests: every level in the instructions that every processor has. */
#ifdef ANY_PROCESSOR
#define INSTRUCTIONS(names)
#else
#define INSTRUCTIONS(names) __attribute__((target(names)))
#endif

/* LEVEL, bytes of its vectors; as its registers allow, hidden units and lines of samples that the forward pass takes at
   once and features that the backward pass takes at once; and what makes floats of a vector's worth of bytes, where
   compilers do not find the quickest way by themselves */
#define LEVEL base
#define WIDTH 16
#define TARGET
#define HIDDEN_BLOCK BASE_HIDDEN_BLOCK
#define LINES_BLOCK 1
#define FEATURES_BLOCK 4
#define ACCUMULATORS 12
#define VECTORS_BLOCK 3
#include "kernel.c"

#if defined(__x86_64__) || defined(ANY_PROCESSOR)
#define LEVEL avx2
#define WIDTH 32
#define TARGET INSTRUCTIONS("avx2,fma")
#define HIDDEN_BLOCK AVX2_HIDDEN_BLOCK
#define LINES_BLOCK 1
#define FEATURES_BLOCK 4
#define ACCUMULATORS 12
#define VECTORS_BLOCK 3
#ifndef ANY_PROCESSOR
#define WIDEN_BYTES(x) _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x))))
#endif
#include "kernel.c"

#define LEVEL avx512
#define WIDTH 64
#define TARGET INSTRUCTIONS("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#define HIDDEN_BLOCK AVX512_HIDDEN_BLOCK
#define LINES_BLOCK 2
#define FEATURES_BLOCK 8
#define ACCUMULATORS 24
#define VECTORS_BLOCK 4
#ifndef ANY_PROCESSOR
#define WIDEN_BYTES(x) _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(x))))
#endif
#include "kernel.c"
#endif

/* Changes with the structures and functions that Python knows: a library of another number is not used. */
int twolayer_interface(void) {
    return 6;
}

/* How many of the levels base, avx2, avx512 this processor has. */
int twolayer_levels(void) {
#ifdef ANY_PROCESSOR
    return 3;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") ? 3 : 2;
#else
    return 1;
#endif
}

/* Numbers of the type that `twolayer_evaluate` needs as scratch, beginning on a cache line. */
int64_t twolayer_scratch(const struct networks *net, int64_t n_features, int64_t most_features, int64_t tile,
                         int is_double) {
    int64_t line = LINE / (is_double ? sizeof(double) : sizeof(float)), n_outputs = net->n_networks * net->n_y;
    return (net->n_hidden + net->n_padded + net->n_y + most_features) * tile + n_features * net->n_padded
           + (net->n_networks + n_outputs + (net->n_y + 1) * net->n_hidden) * line;
}

/* W1 (n_hidden, n_features) times factor, as the forward pass reads it: block after block of hidden units, in a block
   feature after feature, for a feature unit after unit. */
void twolayer_arrange(const struct networks *net, int64_t n_features, const void *W1, double factor, void *arranged,
                      int is_double, int level) {
    int64_t most = level == 2 ? AVX512_HIDDEN_BLOCK : level == 1 ? AVX2_HIDDEN_BLOCK : BASE_HIDDEN_BLOCK, n_h = net->n_hidden, n_blocks = (n_h + most - 1) / most;
    for EACH(b, n_blocks) {
        int64_t first = b * n_h / n_blocks, n = (b + 1) * n_h / n_blocks - first, at = first * n_features;
#define ARRANGE(type) \
    for EACH(f, n_features) \
        for EACH(h, n) \
            ((type *)arranged)[at + f * n + h] = ((const type *)W1)[at + h * n_features + f] * (type)factor
        if (is_double) ARRANGE(double);
        else ARRANGE(float);
#undef ARRANGE
    }
}

/* dW1 (n_hidden, n_features): the sum of the threads' sums, times factor. It is turned in squares, so that both sides go
   by whole lines. */
void twolayer_collect(const struct networks *net, int64_t n_features, const struct sums *sums, int64_t n_threads,
                      double factor, void *dW1, int is_double) {
    enum { SIDE = LINE / sizeof(double) };
    for (int64_t f = 0; f < n_features; f += SIDE)
        for (int64_t h = 0; h < net->n_hidden; h += SIDE) {
            int64_t n_f = f + SIDE < n_features ? SIDE : n_features - f;
            int64_t n_h = h + SIDE < net->n_hidden ? SIDE : net->n_hidden - h;
            double square[SIDE][SIDE] = {{0}};
            for EACH(t, n_threads)
                for EACH(i, n_f)
                    for EACH(j, SIDE) square[i][j] += sums[t].dW1[(f + i) * net->n_padded + h + j];
#define TURN(type) \
    for EACH(j, n_h) \
        for EACH(i, n_f) ((type *)dW1)[(h + j) * n_features + f + i] = (type)(square[i][j] * factor)
            if (is_double) TURN(double);
            else TURN(float);
#undef TURN
        }
}

/* Cost, right predictions and, where out->dW1 is given, gradients of the tiles from, from + step, ... before `to`. */
void twolayer_evaluate(const struct samples *data, const struct networks *net, const struct sums *out,
                       int64_t from, int64_t to, int64_t step, void *scratch, int is_double, int level) {
#if defined(__x86_64__) || defined(ANY_PROCESSOR)
    if (level == 2) (is_double ? evaluate_f64_avx512 : evaluate_f32_avx512)(data, net, out, from, to, step, scratch);
    else if (level == 1)
        (is_double ? evaluate_f64_avx2 : evaluate_f32_avx2)(data, net, out, from, to, step, scratch);
    else
#endif
    (is_double ? evaluate_f64_base : evaluate_f32_base)(data, net, out, from, to, step, scratch);
}

/* Bytes that a pass needs as scratch, beginning on a cache line. */
int64_t twolayer_pass_bytes(const struct pass *pass, int is_double, int level) {
#if defined(__x86_64__) || defined(ANY_PROCESSOR)
    if (level == 2) return (is_double ? pass_bytes_f64_avx512 : pass_bytes_f32_avx512)(pass);
    if (level == 1) return (is_double ? pass_bytes_f64_avx2 : pass_bytes_f32_avx2)(pass);
#endif
    return (is_double ? pass_bytes_f64_base : pass_bytes_f32_base)(pass);
}

/* What one thread does of a pass over mini-batches; all of them must be at work. */
void twolayer_descend(struct pass *pass, int64_t thread, int is_double, int level) {
#if defined(__x86_64__) || defined(ANY_PROCESSOR)
    if (level == 2) (is_double ? descend_f64_avx512 : descend_f32_avx512)(pass, thread);
    else if (level == 1) (is_double ? descend_f64_avx2 : descend_f32_avx2)(pass, thread);
    else
#endif
    (is_double ? descend_f64_base : descend_f32_base)(pass, thread);
}

/* Where a helping thread finds its jobs, each the arguments of `twolayer_evaluate`, or of `twolayer_descend`. */
struct post {
    int64_t turn, done, awake;               /* the last job given and the last one done; whether the helper looks */
    struct pass *pass;                       /* of `twolayer_descend`, whose work of a thread the job is; or NULL */
    const struct samples *data;
    const struct networks *net;
    const struct sums *out;
    void *scratch;
    int64_t from, to, step, is_double, level, thread;
};

/* Gives the job that the post holds to its helper; returns whether the helper must be woken for it. */
int twolayer_give(struct post *post) {
    __atomic_add_fetch(&post->turn, 1, __ATOMIC_SEQ_CST);
    return !__atomic_load_n(&post->awake, __ATOMIC_SEQ_CST);
}

/* Does jobs as they are given, until none has come for `patience` looks: to sleep and be woken takes longer than the
   usual pause between two jobs. */
void twolayer_serve(struct post *post, int64_t patience) {
    for (int64_t looks = 0;; looks++) {
        int64_t turn = __atomic_load_n(&post->turn, __ATOMIC_SEQ_CST);
        if (turn != post->done) {
            __atomic_store_n(&post->awake, 1, __ATOMIC_SEQ_CST);
            if (post->pass) twolayer_descend(post->pass, post->thread, (int)post->is_double, (int)post->level);
            else twolayer_evaluate(post->data, post->net, post->out, post->from, post->to, post->step, post->scratch,
                                   (int)post->is_double, (int)post->level);
            __atomic_store_n(&post->done, turn, __ATOMIC_SEQ_CST);
            looks = 0;
        } else if (looks < patience) rest_a_moment();
        else if (__atomic_load_n(&post->awake, __ATOMIC_SEQ_CST)) __atomic_store_n(&post->awake, 0, __ATOMIC_SEQ_CST);
        else return;                         /* a job given before awake was 0 has been seen by this last look */
    }
}

/* Returns whether the last job is done, after at most `patience` looks. */
int twolayer_wait(const struct post *post, int64_t patience) {
    for (int64_t looks = 0; looks <= patience; looks++) {
        if (__atomic_load_n(&post->done, __ATOMIC_SEQ_CST) == post->turn) return 1;
        rest_a_moment();
    }
    return 0;
}

/* Brings rows of features into tiles. `row` says which sample stands where; `size` is that of one value in bytes.
   Dense samples are whole rows; sparse ones are rows of a CSR matrix, each feature at most once in a row. */
struct rows {
    int64_t n_rows, n_features, size, tile;
    const int64_t *row;                      /* (n_rows) */
    const void *x;                           /* dense: rows of n_features; sparse: the values */
    const int64_t *start;                    /* sparse: where a row begins; NULL: dense */
    const int32_t *column;                   /* sparse: the feature of each value */
};

/* Marks which features are not zero in the rows from .. to - 1. */
static void mark_features(const struct rows *in, int64_t from, int64_t to, uint8_t *restrict mark) {
    memset(mark, 0, in->n_features);
    for (int64_t r = from; r < to; r++) {
        if (in->start)
            for (int64_t e = in->start[in->row[r]]; e < in->start[in->row[r] + 1]; e++) mark[in->column[e]] = 1;
        else if (in->size == 1) {
            const uint8_t *x = (const uint8_t *)in->x + in->row[r] * in->n_features;
            for EACH(f, in->n_features) mark[f] |= x[f];
        } else if (in->size == 4) {
            const uint32_t *x = (const uint32_t *)in->x + in->row[r] * in->n_features;
            for EACH(f, in->n_features) mark[f] |= x[f] != 0;
        } else {
            const uint64_t *x = (const uint64_t *)in->x + in->row[r] * in->n_features;
            for EACH(f, in->n_features) mark[f] |= x[f] != 0;
        }
    }
}

static inline void copy_value(char *to, const char *from, int64_t size) {
    if (size == 1) *to = *from;
    else if (size == 4) memcpy(to, from, 4);
    else memcpy(to, from, 8);
}

/* Fills first (n_tiles + 1) and, where they are given, feature and x, for the tiles; `mark` and `place` are scratch of
   n_features each. Call it once for `first`, once more for the rest. */
void twolayer_pack(const struct rows *in, int64_t *first, int32_t *feature, void *x, uint8_t *mark, int64_t *place) {
    int64_t n_tiles = (in->n_rows + in->tile - 1) / in->tile, size = in->size;
    first[0] = 0;
    for EACH(g, n_tiles) {
        int64_t from = g * in->tile, to = from + in->tile < in->n_rows ? from + in->tile : in->n_rows, n = first[g];
        mark_features(in, from, to, mark);
        for EACH(f, in->n_features) {
            if (mark[f] && feature) feature[n] = (int32_t)f;
            place[f] = n;
            n += mark[f] != 0;
        }
        first[g + 1] = n;
        if (!feature) continue;
        memset((char *)x + first[g] * in->tile * size, 0, (n - first[g]) * in->tile * size);
        for (int64_t r = from; r < to; r++) {
            char *out = (char *)x + (r - from) * size;
            int64_t row = in->row[r];
            if (in->start)
                for (int64_t e = in->start[row]; e < in->start[row + 1]; e++)
                    copy_value(out + place[in->column[e]] * in->tile * size, (const char *)in->x + e * size, size);
            else
                for (int64_t p = first[g]; p < n; p++)
                    copy_value(out + p * in->tile * size,
                               (const char *)in->x + (row * in->n_features + feature[p]) * size, size);
        }
    }
}

/* The module has nothing to import: Python calls the functions above by their names. */
#ifdef PYTHON_MODULE
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", 0, 0, 0, 0, 0, 0, 0};

PyMODINIT_FUNC PyInit__kernel(void) {
    return PyModule_Create(&module);
}
#endif

#elif !defined(DOUBLE)

#define DOUBLE 0
#include "kernel.c"
#undef DOUBLE
#define DOUBLE 1
#include "kernel.c"
#undef DOUBLE
#undef LEVEL
#undef WIDTH
#undef TARGET
#undef HIDDEN_BLOCK
#undef LINES_BLOCK
#undef FEATURES_BLOCK
#undef ACCUMULATORS
#undef VECTORS_BLOCK
#undef WIDEN_BYTES

#else

#if DOUBLE
#define REAL double
#define TYPE f64
#define BITS uint64_t
#define ONE ((uint64_t)1023 << MANTISSA)     /* the bits of 1.0 */
#define MANTISSA 52
#define TERMS 13                             /* of the series of exp */
#define LOG_TERMS 15
#define LOG2_HIGH 0x1.62e42fefap-1           /* few enough bits for k * LOG2_HIGH to be exact */
#define LOG2_LOW 0x1.cf79abc9e3b3ap-40
#define LOWEST (-708.)                       /* exp of less is no normal number, and 0 beside 1 */
#else
#define REAL float
#define TYPE f32
#define BITS uint32_t
#define ONE ((uint32_t)127 << MANTISSA)
#define MANTISSA 23
#define TERMS 7
#define LOG_TERMS 7
#define LOG2_HIGH 0x1.62ep-1f
#define LOG2_LOW 0x1.0bfbe8p-15f
#define LOWEST (-87.f)
#endif
#define SHIFTER ((REAL)((BITS)3 << (MANTISSA - 1))) /* so large that adding it rounds to a whole number */
#define LENGTH (LINE / (int)sizeof(REAL))    /* numbers in a line */
#define LANES (WIDTH / (int)sizeof(REAL))    /* numbers in a vector */
#define SPAN (LINE / WIDTH)                  /* vectors in a line */
#define vec NAME(vec)
typedef REAL vec __attribute__((vector_size(WIDTH), aligned(WIDTH), may_alias));

/* exp(x) - 1 = scale * p + (scale - 1) for x <= 0: x = k log 2 + r with |r| <= log(2) / 2, scale = 2^k, and p is the
   Taylor polynomial of exp(r) - 1. */
INLINE void NAME(split_exp)(REAL x, REAL *scale, REAL *p) {
    x = x < LOWEST ? LOWEST : x;
    REAL t = x * (REAL)1.4426950408889634 + SHIFTER, k = t - SHIFTER; /* rounds: the last bits of t are k */
    REAL r = (x - k * LOG2_HIGH) - k * LOG2_LOW, q = (REAL)INVERSE_FACTORIAL[TERMS];
    for (int i = TERMS - 1; i > 0; i--) q = q * r + (REAL)INVERSE_FACTORIAL[i];
    BITS bits;
    memcpy(&bits, &t, sizeof t);
    bits = (bits << MANTISSA) + ONE;
    memcpy(scale, &bits, sizeof bits);
    *p = q * r;
}

INLINE REAL NAME(exp_minus_abs)(REAL z) {
    REAL scale, p;
    NAME(split_exp)(z < 0 ? z : -z, &scale, &p);
    return scale * p + scale;
}

INLINE void NAME(activate)(int64_t activation, int64_t n, REAL *restrict z) {
    if (activation == SIGMOID) {
        for EACH(i, n) {
            REAL e = NAME(exp_minus_abs)(z[i]);
            z[i] = (z[i] < 0 ? e : 1) / (1 + e);
        }
    } else if (activation == TANH) {
        for EACH(i, n) {
            REAL scale, p;
            NAME(split_exp)(z[i] < 0 ? 2 * z[i] : -2 * z[i], &scale, &p);
            REAL e = scale * p + (scale - 1), t = -e / (2 + e);
            z[i] = z[i] < 0 ? -t : t;
        }
    } else {
        for EACH(i, n) z[i] = z[i] < 0 ? 0 : z[i];
    }
}

/* slope *= activation'(z), from a = activation(z) */
INLINE void NAME(through_activation)(int64_t activation, int64_t n, const REAL *restrict a, REAL *restrict slope) {
    if (activation == SIGMOID) for EACH(i, n) slope[i] *= a[i] * (1 - a[i]);
    else if (activation == TANH) for EACH(i, n) slope[i] *= 1 - a[i] * a[i];
    else for EACH(i, n) slope[i] = a[i] > 0 ? slope[i] : 0;
}

/* log(1 + e) for 0 <= e <= 1, by the series of 2 artanh(e / (2 + e)) */
INLINE REAL NAME(log_of_1_plus)(REAL e) {
    REAL s = e / (2 + e), square = s * s, q = 0;
    for (int i = LOG_TERMS; i >= 0; i--) q = q * square + (REAL)1 / (2 * i + 1);
    return 2 * s * q;
}

/* Z1 of n_units hidden units for n_lines of samples: their sums stay in registers while the n features pass. */
INLINE void NAME(forward_lines)(const int n_units, const int n_lines, int64_t n, const int32_t *feature, const REAL *x,
                                const REAL *W1, const REAL *b1, REAL *z, int64_t tile) {
    vec sum[HIDDEN_BLOCK][LINES_BLOCK * SPAN];
    for (int h = 0; h < n_units; h++)
        for (int s = 0; s < n_lines * SPAN; s++) sum[h][s] = b1[h] - (vec){0};
    for EACH(j, n) {
        const REAL *w = W1 + (int64_t)feature[j] * n_units;
        const vec *values = (const vec *)(x + j * tile);
        for (int h = 0; h < n_units; h++)
            for (int s = 0; s < n_lines * SPAN; s++) sum[h][s] += w[h] * values[s];
    }
    for (int h = 0; h < n_units; h++)
        for (int s = 0; s < n_lines * SPAN; s++) ((vec *)(z + h * tile))[s] = sum[h][s];
}

/* The same for all lines of the tile. */
INLINE void NAME(forward_units)(const int n_units, int64_t n, const int32_t *feature, const REAL *x, const REAL *W1,
                                const REAL *b1, REAL *z, int64_t tile) {
    int64_t i = 0;
#define LINES(c) \
    for (; i + c * LENGTH <= tile; i += c * LENGTH) \
        NAME(forward_lines)(n_units, c, n, feature, x + i, W1, b1, z + i, tile)
    LINES(LINES_BLOCK);
#if LINES_BLOCK > 1
    LINES(1);
#endif
#undef LINES
}

/* dW1 += dZ1 X.T for n_vectors of hidden units and n_features of the tile's features: the sums stay in registers while
   the samples pass. Each sum runs over the samples in their order, so that it does not depend on its neighbours. */
INLINE void NAME(backward_features)(const int n_vectors, const int n_features, const int32_t *feature, const REAL *x,
                                    const REAL *dZ1, REAL *dW1, int64_t n_padded, int64_t tile) {
    vec sum[8][UNIT_VECTORS];
    for (int f = 0; f < n_features; f++)
        for (int v = 0; v < n_vectors; v++) sum[f][v] = (vec){0};
    for EACH(i, tile) {
        const vec *d = (const vec *)(dZ1 + i * n_padded);
        for (int f = 0; f < n_features; f++)
            for (int v = 0; v < n_vectors; v++) sum[f][v] += x[f * tile + i] * d[v];
    }
    for (int f = 0; f < n_features; f++) {
        vec *out = (vec *)(dW1 + feature[f] * n_padded);
        for (int v = 0; v < n_vectors; v++) out[v] += sum[f][v];
    }
}

/* The same for all n features of the tile. Meanwhile the n_next features of the next tile, `stride` bytes each, are
   fetched into the cache: arithmetic is what takes time here, memory in the forward pass. */
INLINE void NAME(backward_vectors)(const int n_vectors, int64_t n, const int32_t *feature, const REAL *x,
                                   const REAL *dZ1, REAL *dW1, int64_t n_padded, int64_t tile, const char *next,
                                   int64_t n_next, int64_t stride) {
    int64_t j = 0;
#define FEATURES(c) \
    for (; j + c <= n; j += c) { \
        if (j + c <= n_next) \
            for (int64_t i = 0; i < c * stride; i += LINE) __builtin_prefetch(next + j * stride + i, 0, 2); \
        NAME(backward_features)(n_vectors, c, feature + j, x + j * tile, dZ1, dW1, n_padded, tile); \
    }
#if FEATURES_BLOCK < 8
    if (n_vectors == 1)
#endif
    FEATURES(8)
    FEATURES(4)
    FEATURES(1)
#undef FEATURES
}

/* The values of the features from .. from + n - 1 in the type of the computation. */
INLINE const REAL *NAME(values)(const struct samples *data, int64_t from, int64_t n, REAL *restrict scratch) {
    from *= data->tile;
    n *= data->tile;
    if (data->storage == BYTES) {
        const uint8_t *x = (const uint8_t *)data->x + from;
#if defined(WIDEN_BYTES) && !DOUBLE
        for (int64_t i = 0; i < n; i += LANES) *(vec *)(scratch + i) = (vec)WIDEN_BYTES(x + i);
#else
        for EACH(i, n) scratch[i] = x[i];
#endif
        return scratch;
    }
    if (sizeof(REAL) == sizeof(double) && data->storage == FLOATS) {
        const float *x = (const float *)data->x + from;
        for EACH(i, n) scratch[i] = (REAL)x[i];
        return scratch;
    }
    return (const REAL *)data->x + from;
}

/* log(x) for x >= 1 */
INLINE REAL NAME(log_of)(REAL x) {
    BITS bits;
    memcpy(&bits, &x, sizeof x);
    REAL exponent = (REAL)((int64_t)(bits >> MANTISSA) - (int64_t)(ONE >> MANTISSA));
    bits = (bits & (((BITS)1 << MANTISSA) - 1)) | ONE;
    memcpy(&x, &bits, sizeof x);
    return exponent * (REAL)0.6931471805599453 + NAME(log_of_1_plus)(x - 1);
}

/* For a line of samples from z (n_y, LENGTH), what comes to the outputs: adds up the loss, makes the slope at the outputs of
   z, and returns how many predictions are right. Here each output is a sigmoid of its own. */
INLINE int32_t NAME(sigmoid_slopes)(int64_t loss, int64_t n_y, const REAL *restrict weight, const int32_t *restrict label,
                                    REAL *restrict z, REAL *restrict cost) {
    int32_t predicted[LENGTH] = {0}, right = 0;
    REAL largest[LENGTH] = {0};
    for EACH(o, n_y) {
        REAL *z2 = z + o * LENGTH, a2[LENGTH], error[LENGTH];
        memcpy(a2, z2, sizeof a2);
        NAME(activate)(SIGMOID, LENGTH, a2);
        for EACH(i, LENGTH) error[i] = a2[i] - (label[i] == (n_y == 1 ? 1 : (int32_t)o));
        if (loss == SQUARE) for EACH(i, LENGTH) {
            REAL d = error[i] * weight[i];
            cost[i] += d * error[i] / 2;
            z2[i] = d * (a2[i] * (1 - a2[i]));
        } else for EACH(i, LENGTH) {
            REAL target = label[i] == (n_y == 1 ? 1 : (int32_t)o);
            REAL above = (z2[i] < 0 ? 0 : z2[i]) - z2[i] * target;
            cost[i] += (above + NAME(log_of_1_plus)(NAME(exp_minus_abs)(z2[i]))) * weight[i];
            z2[i] = error[i] * weight[i];
        }
        if (n_y == 1) for EACH(i, LENGTH) predicted[i] = a2[i] > (REAL)0.5;
        else for EACH(i, LENGTH) {
            int32_t better = o == 0 || a2[i] > largest[i];
            predicted[i] = better ? (int32_t)o : predicted[i];
            largest[i] = better ? a2[i] : largest[i];
        }
    }
    for EACH(i, LENGTH) right += label[i] == predicted[i];
    return right;
}

/* The same for softmax outputs with the log loss. */
INLINE int32_t NAME(softmax_slopes)(int64_t n_y, const REAL *restrict weight, const int32_t *restrict label,
                                    REAL *restrict z, REAL *restrict cost) {
    REAL largest[LENGTH], total[LENGTH] = {0}, losses[LENGTH] = {0};
    int32_t predicted[LENGTH] = {0}, right = 0;
    for EACH(o, n_y)
        for EACH(i, LENGTH) {
            int32_t better = o == 0 || z[o * LENGTH + i] > largest[i];
            predicted[i] = better ? (int32_t)o : predicted[i];
            largest[i] = better ? z[o * LENGTH + i] : largest[i];
        }
    for EACH(o, n_y)
        for EACH(i, LENGTH) {
            REAL below = z[o * LENGTH + i] - largest[i], e = NAME(exp_minus_abs)(below);
            losses[i] -= label[i] == (int32_t)o ? below : 0;
            total[i] += e;
            z[o * LENGTH + i] = e;
        }
    for EACH(i, LENGTH) cost[i] += (losses[i] + NAME(log_of)(total[i])) * weight[i];
    for EACH(o, n_y)
        for EACH(i, LENGTH)
            z[o * LENGTH + i] = (z[o * LENGTH + i] / total[i] - (label[i] == (int32_t)o)) * weight[i];
    for EACH(i, LENGTH) right += label[i] == predicted[i];
    return right;
}

/* Cost and right predictions of network k for a line of samples from its hidden activations a; dZ2 becomes the slope at
   its outputs. */
INLINE void NAME(outputs)(const int softmax, const struct networks *net, int64_t k, int64_t tile, const REAL *a,
                          const REAL *weight, const int32_t *label, REAL *dZ2, REAL *cost, const struct sums *out) {
    const REAL *W2 = (const REAL *)net->W2, *b2 = (const REAL *)net->b2 + k * net->n_y;
    for EACH(o, net->n_y) {
        vec sum[SPAN];
        for EACH(s, SPAN) sum[s] = b2[o] - (vec){0};
        for (int64_t h = net->unit[k]; h < net->unit[k + 1]; h++)
            for EACH(s, SPAN) sum[s] += W2[o * net->n_hidden + h] * ((const vec *)(a + h * tile))[s];
        memcpy(dZ2 + o * LENGTH, sum, sizeof sum);
    }
    out->correct[k] += softmax ? NAME(softmax_slopes)(net->n_y, weight, label, dZ2, cost)
                               : NAME(sigmoid_slopes)(net->loss, net->n_y, weight, label, dZ2, cost);
}

/* From the slope at the outputs of network k to that at its hidden units, for a line of samples: sums for dW2 and db1 on
   the way, and dZ1 with the units side by side for each sample. */
INLINE void NAME(hidden_layer)(const struct networks *net, int64_t k, int64_t tile, const REAL *a, const vec *dZ2,
                               vec *dW2, vec *db1, REAL *restrict dZ1) {
    const REAL *W2 = (const REAL *)net->W2;
    for (int64_t h = net->unit[k]; h < net->unit[k + 1]; h++) {
        const vec *activation = (const vec *)(a + h * tile);
        vec slope[SPAN];
        REAL column[LENGTH];
        for EACH(s, SPAN) slope[s] = (vec){0};
        for EACH(o, net->n_y)
            for EACH(s, SPAN) {
                slope[s] += W2[o * net->n_hidden + h] * dZ2[o * SPAN + s];
                dW2[(o * net->n_hidden + h) * SPAN + s] += dZ2[o * SPAN + s] * activation[s];
            }
        memcpy(column, slope, sizeof slope);
        NAME(through_activation)(net->activation, LENGTH, (const REAL *)activation, column);
        memcpy(slope, column, sizeof slope);
        for EACH(s, SPAN) db1[h * SPAN + s] += slope[s];
        for EACH(i, LENGTH) dZ1[i * net->n_padded + h] = column[i];
    }
}

/* Sets cost, right predictions and, where dW1 is wanted, gradients to 0. */
INLINE void NAME(clear)(const struct networks *net, const struct sums *out, int64_t size) {
    memset(out->cost, 0, net->n_networks * sizeof(double));
    memset(out->correct, 0, net->n_networks * sizeof(double));
    if (!out->dW1) return;
    memset(out->db2, 0, net->n_networks * net->n_y * sizeof(double));
    memset(out->dW2, 0, net->n_y * net->n_hidden * sizeof(double));
    memset(out->db1, 0, net->n_hidden * sizeof(double));
    memset(out->dW1, 0, size * sizeof(double));
}

/* The pre-activations of all units for a tile of n features, some units at a time. */
INLINE void NAME(forward)(const struct samples *data, const struct networks *net, int64_t n, const int32_t *feature,
                          const REAL *x, REAL *a) {
    const int64_t n_h = net->n_hidden, tile = data->tile, n_blocks = (n_h + HIDDEN_BLOCK - 1) / HIDDEN_BLOCK;
    for EACH(b, n_blocks) {
        const int64_t h = b * n_h / n_blocks;
        const REAL *W1 = (const REAL *)net->W1 + h * data->n_features, *b1 = (const REAL *)net->b1 + h;
        switch ((b + 1) * n_h / n_blocks - h) {
#define UNITS(c) case c: NAME(forward_units)(c, n, feature, x, W1, b1, a + h * tile, tile); break;
            UNITS(1) UNITS(2)
#if HIDDEN_BLOCK > 2
            UNITS(3) UNITS(4) UNITS(5) UNITS(6)
#endif
#if HIDDEN_BLOCK > 6
            UNITS(7) UNITS(8) UNITS(9) UNITS(10) UNITS(11) UNITS(12)
#endif
#undef UNITS
        }
    }
}

/* Adds what was summed in the type itself to cost and, where dW1 is wanted, gradients. */
INLINE void NAME(add_up)(const struct networks *net, const struct sums *out, int64_t size, const REAL *cost,
                         const REAL *db2, const REAL *dW2, const REAL *db1, const REAL *dW1) {
    for EACH(i, net->n_networks * LENGTH) out->cost[i / LENGTH] += (double)cost[i];
    if (!out->dW1) return;
    for EACH(i, net->n_networks * net->n_y * LENGTH) out->db2[i / LENGTH] += (double)db2[i];
    for EACH(i, net->n_y * net->n_hidden * LENGTH) out->dW2[i / LENGTH] += (double)dW2[i];
    for EACH(i, net->n_hidden * LENGTH) out->db1[i / LENGTH] += (double)db1[i];
    for EACH(i, size) out->dW1[i] += (double)dW1[i];
}

/* Cost, right predictions and, where dW1 is wanted, gradients of the tiles from, from + step, ... before `to`. */
INLINE void NAME(evaluate_as)(const int softmax, const struct samples *data, const struct networks *net,
                              const struct sums *out, int64_t from, int64_t to, int64_t step, void *scratch) {
    const int64_t n_h = net->n_hidden, n_p = net->n_padded, n_y = net->n_y, size = data->n_features * n_p;
    const int64_t n_outputs = net->n_networks * n_y, wanted = out->dW1 ? 1 : 0, tile = data->tile;
    REAL *a = (REAL *)scratch, *dZ2 = a + n_h * tile, *dZ1 = dZ2 + n_y * tile, *sums = dZ1 + n_p * tile;
    REAL *cost = sums, *db2 = cost + net->n_networks * LENGTH, *dW2 = db2 + n_outputs * LENGTH;
    REAL *db1 = dW2 + n_y * n_h * LENGTH, *dW1 = db1 + n_h * LENGTH, *converted = wanted ? dW1 + size : db2;
    const int64_t n_vectors = (n_h + LANES - 1) / LANES, n_parts = (n_vectors + UNIT_VECTORS - 1) / UNIT_VECTORS;
    const int64_t flush = tile < FLUSH ? FLUSH / tile : 1;
    const int64_t stride = tile * (data->storage == BYTES ? 1 : data->storage == FLOATS ? 4 : 8);
    memset(dZ1, 0, (char *)converted - (char *)dZ1);
    NAME(clear)(net, out, size);
    for (int64_t t = from, n_done = 1; t < to; t += step, n_done++) {
        const int64_t first = data->first[t], n = data->first[t + 1] - first;
        const int32_t *feature = data->feature + first;
        const REAL *x = NAME(values)(data, first, n, converted);
        NAME(forward)(data, net, n, feature, x, a);
        NAME(activate)(net->activation, n_h * tile, a);
        for (int64_t i = 0; i < tile; i += LENGTH) {
            const REAL *weight = (const REAL *)data->weight + t * tile + i;
            const int32_t *label = data->label + t * tile + i;
            for EACH(k, net->n_networks) {
                NAME(outputs)(softmax, net, k, tile, a + i, weight, label, dZ2, cost + k * LENGTH, out);
                if (!wanted) continue;
                NAME(hidden_layer)(net, k, tile, a + i, (const vec *)dZ2, (vec *)dW2, (vec *)db1, dZ1 + i * n_p);
                for EACH(s, n_y * LENGTH) db2[k * n_y * LENGTH + s] += dZ2[s];
            }
        }
        if (wanted) for EACH(part, n_parts) {
            const int64_t v = part * n_vectors / n_parts, at = v * LANES;
            const int64_t after = t + step, n_next = part == 0 && after < to ? data->first[after + 1] - data->first[after] : 0;
            const char *next = (const char *)data->x + (n_next ? data->first[after] * stride : 0);
            switch ((part + 1) * n_vectors / n_parts - v) {
#define BACKWARD(c, tile) \
    NAME(backward_vectors)(c, n, feature, x, dZ1 + at, dW1 + at, n_p, tile, next, n_next, stride)
#define VECTORS(c) /* the usual tiles are constants: the compiler then has registers enough for all addresses */ \
    case c: if (tile == 16) BACKWARD(c, 16); else if (tile == 32) BACKWARD(c, 32); else BACKWARD(c, tile); break;
                VECTORS(1) VECTORS(2)
#undef VECTORS
#undef BACKWARD
            }
        }
        if (n_done % flush == 0 || t + step >= to) {
            NAME(add_up)(net, out, size, cost, db2, dW2, db1, dW1);
            memset(sums, 0, (char *)converted - (char *)sums);
        }
    }
}

static __attribute__((noinline)) TARGET void NAME(evaluate_softmax)(
    const struct samples *data, const struct networks *net, const struct sums *out, int64_t from, int64_t to,
    int64_t step, void *scratch) {
    NAME(evaluate_as)(1, data, net, out, from, to, step, scratch);
}

static TARGET void NAME(evaluate)(const struct samples *data, const struct networks *net, const struct sums *out,
                                  int64_t from, int64_t to, int64_t step, void *scratch) {
    if (net->loss == LOG && net->n_y > 1) NAME(evaluate_softmax)(data, net, out, from, to, step, scratch);
    else NAME(evaluate_as)(0, data, net, out, from, to, step, scratch);
}

#include "minibatch.c"

#undef REAL
#undef TYPE
#undef BITS
#undef ONE
#undef LOG2_HIGH
#undef LOG2_LOW
#undef LOWEST
#undef MANTISSA
#undef TERMS
#undef LOG_TERMS
#undef SHIFTER
#undef LENGTH
#undef LANES
#undef SPAN
#undef vec

#endif
