/* Gradient descent on all samples with rectified units and softmax, float32: LIBXSMM's products on blocks of samples. */
#include <libxsmm.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, TILE = 64 };  /* samples; hidden units of one product */

typedef libxsmm_smmfunction Product;

static Product product(int m, int n, int k, int lda, int ldb, int ldc, float beta) {
    const float alpha = 1;
    const int flags = LIBXSMM_GEMM_FLAG_NONE;
    return libxsmm_smmdispatch(m, n, k, &lda, &ldb, &ldc, &alpha, &beta, &flags, NULL);
}

/* Column-major: V1 (n_h, n_x), X (n_x, m); Xt holds each block of X turned over, (BLOCK, n_x). */
typedef struct {
    const float *X, *Xt;
    const int *y;
    int m, n_x, n_h, n_y;
    float *V1, *b1, *V2, *b2;  /* V2 (n_h, n_y) */
} Network;

typedef struct {
    float *dV1, *db1, *dV2, *db2, *z, *e;
} Sums;

static void output_block(const Network *net, Sums *s, const int *y, int size) {
    const int n_h = net->n_h, n_y = net->n_y;
    for (int j = 0; j < size; j++) {
        float *z = s->z + (size_t)j * n_h, *e = s->e + (size_t)j * n_y, most = -INFINITY, sum = 0;
        for (int i = 0; i < n_h; i++) z[i] = fmaxf(z[i] + net->b1[i], 0);
        for (int k = 0; k < n_y; k++) {
            float value = net->b2[k];
            const float *v = net->V2 + (size_t)k * n_h;
#pragma omp simd reduction(+ : value)
            for (int i = 0; i < n_h; i++) value += v[i] * z[i];
            e[k] = value;
            most = fmaxf(most, value);
        }
        for (int k = 0; k < n_y; k++) sum += e[k] = expf(e[k] - most);
        for (int k = 0; k < n_y; k++) e[k] = e[k] / sum - (y[j] == k);
        for (int k = 0; k < n_y; k++) {
            float *d = s->dV2 + (size_t)k * n_h;
            for (int i = 0; i < n_h; i++) d[i] += e[k] * z[i];
            s->db2[k] += e[k];
        }
        for (int i = 0; i < n_h; i++) {
            float slope = 0;
            for (int k = 0; k < n_y; k++) slope += e[k] * net->V2[(size_t)k * n_h + i];
            z[i] = z[i] > 0 ? slope : 0;
            s->db1[i] += z[i];
        }
    }
}

static void pass(const Network *net, Sums *s, int block) {
    const int n_h = net->n_h, n_x = net->n_x, first = block * BLOCK;
    const int size = net->m - first < BLOCK ? net->m - first : BLOCK;
    for (int i = 0; i < n_h; i += TILE) {
        const int rows = n_h - i < TILE ? n_h - i : TILE;
        product(rows, size, n_x, n_h, n_x, n_h, 0)(net->V1 + i, net->X + (size_t)first * n_x, s->z + i);
    }
    output_block(net, s, net->y + first, size);
    for (int i = 0; i < n_h; i += TILE) {
        const int rows = n_h - i < TILE ? n_h - i : TILE;
        product(rows, n_x, size, n_h, BLOCK, n_h, 1)(s->z + i, net->Xt + (size_t)first * n_x, s->dV1 + i);
    }
}

static void move(float *value, const Sums *sums, size_t offset, size_t n, int n_threads, float rate) {
#pragma omp parallel for num_threads(n_threads)
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int t = 0; t < n_threads; t++) sum += sums[t].dV1[offset + i];
        value[i] -= rate * sum;
    }
}

void train(const float *X, const float *Xt, const int *y, int m, int n_x, int n_h, int n_y, float *V1, float *b1,
           float *V2, float *b2, float rate, int n_iter, int n_threads) {
    const Network net = {X, Xt, y, m, n_x, n_h, n_y, V1, b1, V2, b2};
    const size_t first = (size_t)n_h * n_x, n = first + n_h + (size_t)n_h * n_y + n_y;
    Sums sums[64];
    libxsmm_init();
    for (int t = 0; t < n_threads; t++) {
        float *all = aligned_alloc(64, ((n + (size_t)BLOCK * (n_h + n_y)) * 4 + 63) / 64 * 64);
        sums[t] = (Sums){all, all + first, all + first + n_h, all + n - n_y, all + n, all + n + (size_t)BLOCK * n_h};
    }
    for (int k = 0; k < n_iter; k++) {
#pragma omp parallel num_threads(n_threads)
        {
            Sums *own = &sums[omp_get_thread_num()];
            memset(own->dV1, 0, n * sizeof(float));
#pragma omp for schedule(static)
            for (int block = 0; block < (m + BLOCK - 1) / BLOCK; block++) pass(&net, own, block);
        }
        move(V1, sums, 0, first, n_threads, rate / m);
        move(b1, sums, first, n_h, n_threads, rate / m);
        move(V2, sums, first + n_h, (size_t)n_h * n_y, n_threads, rate / m);
        move(b2, sums, n - n_y, n_y, n_threads, rate / m);
    }
    for (int t = 0; t < n_threads; t++) free(sums[t].dV1);
}
