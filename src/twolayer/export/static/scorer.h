/*
 * C99 or C++, with the standard library alone. Nothing is allocated and nothing changes: threads may share it.
 *
 *     net_predict(row)          the place in net_classes of the class of a row
 *     net_class(row)            the class of a row
 *     net_shares(row, shares)   writes the probability of each class: net_n_classes numbers
 *     net_set(row, in_set)      writes a 1 for each class that cannot be ruled out, else a 0, and returns their number,
 *                               where the model has prediction sets: NET_SETS is 1
 *     net_self_test()           the largest deviation from what twolayer computes
 *
 * A row is a pointer to its numbers, as they were in the training data, or to a net_row, the struct of a table's row.
 * A date is a number, too: seconds since 1970 in UTC. Nothing checks that numbers are finite. Where there are columns,
 * NAN and NULL are missing; with -ffast-math NAN is not detected.
 */

#ifndef NET_H
#define NET_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* A text in UTF-8 and the number of its bytes. */
typedef struct {
    const char *bytes;
    size_t length;
} net_text;

/* A piecewise linear function of a number: all x of its points, then all y; and its value where that is missing. */
typedef struct {
    const double *points;
    int n_points;
    double missing;
} net_curve;

/* How a column becomes values, of which the first has a place among the inputs of the network. */
typedef struct {
    size_t offset;
    char kind; /* n: number, c: category, and of a date y: year, m: month, d: day, w: weekday, h: hour, a: age */
    int place, n_values, flagged;
    double mean, deviation, fill, clip;
    const net_curve *curves;
    int n_curves;
    const net_text *levels;
    int n_levels, rare;
} net_column;

enum {
    net_n_inputs = @n_inputs@,
    net_n_hidden = @n_hidden@,
    net_n_outputs = @n_outputs@,
    net_n_classes = @n_classes@,
    net_n_columns = @n_columns@,
    net_n_entries = @n_entries@,
    net_most_values = @most_values@,
    net_n_samples = @n_samples@,
    net_row_size = @row_size@,
    net_is_softmax = @is_softmax@
};

static const double net_threshold = @threshold@, net_tolerance = @tolerance@;

#define NET_SETS @has_sets@
#if NET_SETS
static const double net_least_in_set = @least_in_set@;
#endif
#define NET_TABLE @is_table@
#define NET_COLUMNS @has_columns@
#define NET_LONG_TEXTS @has_long_texts@
#if NET_LONG_TEXTS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#endif

typedef @label@net_label;

static const net_label net_classes[net_n_classes] = {@classes@};

#if NET_TABLE
typedef struct {
@fields@
} net_row;

static const net_text net_missing[] = {@missing@};
static const net_text net_spaces[] = {@spaces@};
#else
typedef double net_row;
#endif

#if NET_COLUMNS
static const double net_far = @far@; /* clip bounds from the mean: what is farther becomes the bound itself */

@parts@
static const net_column net_columns[net_n_columns] = {
@columns@
};
#else
static const double net_scale = @scale@;
#endif

/* Rows and the probabilities of their classes. */
static const net_row net_test_rows[net_n_samples * net_row_size] = {
@test_rows@
};

static const double net_test_shares[net_n_samples][net_n_classes] = {
@test_shares@
};

/* The parameters: a row of W1 is a hidden unit, a row of W2 an output. */
static const @real@ net_W1[net_n_hidden][net_n_inputs] = {
@W1@
};

static const @real@ net_W2[net_n_outputs][net_n_hidden] = {
@W2@
};

static const @real@ net_b1[net_n_hidden] = {@b1@};

static const @real@ net_b2[net_n_outputs] = {@b2@};

#if NET_LONG_TEXTS
#pragma GCC diagnostic pop
#endif

#if NET_COLUMNS
/* An input of the network that is not 0. */
typedef struct {
    int place;
    double value;
} net_entry;
#endif

#if NET_TABLE

/* Returns a text without white space at its ends. */
static inline net_text net_trim(const char *bytes)
{
    net_text text = {bytes ? bytes : "", bytes ? strlen(bytes) : 0};
    size_t k = 0;
    while (k < sizeof net_spaces / sizeof net_spaces[0]) {
        const char *space = net_spaces[k].bytes;
        const size_t length = net_spaces[k].length;
        k++;
        if (text.length >= length && memcmp(text.bytes, space, length) == 0) {
            text.bytes += length;
        } else if (text.length < length || memcmp(text.bytes + text.length - length, space, length) != 0) {
            continue;
        }
        text.length -= length;
        k = 0;
    }
    return text;
}

/* Returns the place of a text among others, their number where it is none of them. */
static inline int net_find(net_text text, const net_text *texts, int n)
{
    int k = 0;
    while (k < n && (texts[k].length != text.length || memcmp(texts[k].bytes, text.bytes, text.length) != 0)) {
        k++;
    }
    return k;
}

/* Returns the place of a 1 among the values of a text: that of its level, of all others or of the missing, or -1. */
static inline int net_encode_text(const net_column *column, const char *bytes)
{
    const int n_missing = (int)(sizeof net_missing / sizeof net_missing[0]);
    const net_text text = net_trim(bytes);
    int level;
    if (net_find(text, net_missing, n_missing) < n_missing) {
        return column->flagged ? column->n_values - 1 : -1;
    }
    level = net_find(text, column->levels, column->n_levels);
    return level < column->n_levels || column->rare ? level : -1;
}
#endif

#if NET_COLUMNS
/* Returns a part of a date; its year begins in March while it is computed, so that a leap day is the last one. */
static inline double net_part(double seconds, char part)
{
    double days = floor(seconds / 86400), century, year, month;
    if (part == 'a') {
        return seconds / 86400;
    }
    if (part == 'w') {
        return days + 3 - 7 * floor((days + 3) / 7);
    }
    if (part == 'h') {
        return floor((seconds - 86400 * days) / 3600);
    }
    days += 719468; /* from the first of March of the year 0 */
    century = floor((4 * days + 3) / 146097);
    days -= floor(146097 * century / 4);
    year = floor((4 * days + 3) / 1461);
    days -= floor(1461 * year / 4);
    month = floor((5 * days + 2) / 153);
    if (part == 'd') {
        return days - floor((153 * month + 2) / 5) + 1;
    }
    return part == 'm' ? month + 3 - 12 * (month > 9) : 100 * century + year + (month > 9);
}

/* Returns the value of a curve: constant before its first point and after its last one. */
static inline double net_interpolate(const net_curve *curve, double number)
{
    const double *x = curve->points, *y = curve->points + curve->n_points;
    int k = 0, end = curve->n_points;
    if (number < x[0]) {
        return y[0];
    }
    while (k + 1 < end) {
        const int middle = (k + end) / 2;
        if (x[middle] <= number) {
            k = middle;
        } else {
            end = middle;
        }
    }
    return k + 1 == curve->n_points ? y[k] : y[k] + (y[k + 1] - y[k]) / (x[k + 1] - x[k]) * (number - x[k]);
}

/* Returns a number in standard deviations from the mean, clipped where the column has a bound. */
static inline double net_standardize(const net_column *column, double number)
{
    const double far = net_far * column->clip;
    double u = (number - column->mean) / column->deviation;
    if (column->clip > 0.0) {
        u = u > far ? far : u < -far ? -far : u;
        u /= sqrt(1.0 + (u / column->clip) * (u / column->clip));
    }
    return u;
}

/* Writes the values of a number. */
static inline void net_encode_number(const net_column *column, double given, double *values)
{
    const double number = column->kind == 'n' ? given : net_part(given, column->kind);
    const int missing = isnan(given);
    values[0] = missing ? column->fill : net_standardize(column, number);
    for (int k = 0; k < column->n_curves; k++) {
        values[1 + k] = missing ? column->curves[k].missing : net_interpolate(&column->curves[k], number);
    }
    if (column->flagged) {
        values[column->n_values - 1] = missing;
    }
}

/* Writes the inputs that are not 0, column by column, and returns their number. */
static inline int net_encode(const net_row *row, net_entry *entries)
{
    int n = 0;
    for (int k = 0; k < net_n_columns; k++) {
        const net_column *column = &net_columns[k];
        const void *field = (const char *)row + column->offset;
        double values[net_most_values];
#if NET_TABLE
        if (column->kind == 'c') {
            const int place = net_encode_text(column, *(const char *const *)field);
            if (place >= 0) {
                entries[n].place = column->place + place;
                entries[n++].value = 1.0;
            }
            continue;
        }
#endif
        net_encode_number(column, *(const double *)field, values);
        for (int j = 0; j < column->n_values; j++) {
            entries[n].place = column->place + j;
            entries[n].value = values[j];
            n += values[j] != 0.0;
        }
    }
    return n;
}

/* Returns the weighted sum of the inputs of a hidden unit. */
static inline double net_sum(const net_entry *entries, int n, int unit)
{
    double sum = 0.0;
    for (int k = 0; k < n; k++) {
        sum += net_W1[unit][entries[k].place] * entries[k].value;
    }
    return sum;
}
#else
/* Returns the weighted sum of the inputs of a hidden unit. */
static inline double net_sum(const net_row *row, int n, int unit)
{
    double sum = 0.0;
    for (int k = 0; k < n; k++) {
        sum += net_W1[unit][k] * row[k];
    }
    return sum / net_scale;
}
#endif

/* Returns the larger of two numbers, or NAN where the first is that. */
static inline double net_fmax(double a, double b)
{
    return a < b ? b : a;
}

/* Returns the activation of a hidden unit. */
static inline double net_activation(double z)
{
    return tanh(z);
}

/* Writes Z2 = W2 f(W1 x + b1) + b2, hidden unit by hidden unit. */
static inline void net_logits(const net_row *row, double *logits)
{
#if NET_COLUMNS
    net_entry inputs[net_n_entries];
    const int n = net_encode(row, inputs);
#else
    const net_row *inputs = row;
    const int n = net_n_inputs;
#endif
    for (int k = 0; k < net_n_outputs; k++) {
        logits[k] = net_b2[k];
    }
    for (int unit = 0; unit < net_n_hidden; unit++) {
        const double a = net_activation(net_sum(inputs, n, unit) + net_b1[unit]);
        for (int k = 0; k < net_n_outputs; k++) {
            logits[k] += net_W2[k][unit] * a;
        }
    }
}

/* Returns 1 / (1 + exp(-z)); the exponential never overflows. */
static inline double net_sigmoid(double z)
{
    const double power = exp(-fabs(z));
    return (z < 0.0 ? power : 1.0) / (1.0 + power);
}

/* Writes the probability of each class; no exponential overflows, and no sum of outputs is 0. */
static inline void net_shares(const net_row *row, double *shares)
{
    double logits[net_n_outputs];
    double largest, total = 0.0;
    net_logits(row, logits);
    if (net_n_outputs == 1) {
        shares[1] = net_sigmoid(logits[0]);
        shares[0] = 1.0 - shares[1];
        return;
    }
    largest = logits[0];
    for (int k = 1; k < net_n_outputs; k++) {
        largest = logits[k] > largest ? logits[k] : largest;
    }
    for (int k = 0; k < net_n_outputs; k++) {
        const double output = net_is_softmax ? exp(logits[k] - largest) : net_sigmoid(logits[k]);
        shares[k] = output < DBL_MIN && !net_is_softmax ? DBL_MIN : output;
        total += shares[k];
    }
    for (int k = 0; k < net_n_outputs; k++) {
        shares[k] /= total;
    }
}

/* Returns the place of the class: the first with the largest probability; of two by the threshold. */
static inline int net_decide(const double *shares)
{
    int best = 0;
    if (net_n_classes == 2) {
        return shares[1] > net_threshold;
    }
    for (int k = 1; k < net_n_classes; k++) {
        best = shares[k] > shares[best] ? k : best;
    }
    return best;
}

/* Returns the place in net_classes of the class of a row. */
static inline int net_predict(const net_row *row)
{
    double shares[net_n_classes];
    net_shares(row, shares);
    return net_decide(shares);
}

/* Returns the class of a row. */
static inline net_label net_class(const net_row *row)
{
    return net_classes[net_predict(row)];
}

#if NET_SETS
/* Writes whether each class is in the prediction set of a row, and returns how many are. */
static inline int net_set(const net_row *row, int *in_set)
{
    double shares[net_n_classes];
    int n = 0;
    net_shares(row, shares);
    for (int k = 0; k < net_n_classes; k++) {
        in_set[k] = shares[k] >= net_least_in_set;
        n += in_set[k];
    }
    return n;
}
#endif

/* Returns the largest deviation of the probabilities of the test rows from those that twolayer computed. */
static inline double net_self_test(void)
{
    double worst = 0.0;
    for (int k = 0; k < net_n_samples; k++) {
        double shares[net_n_classes];
        net_shares(&net_test_rows[k * net_row_size], shares);
        for (int j = 0; j < net_n_classes; j++) {
            const double deviation = fabs(shares[j] - net_test_shares[k][j]);
            worst = deviation > worst || isnan(deviation) ? deviation : worst;
        }
    }
    return worst;
}

#ifdef NET_MAIN
#include <stdio.h>

int main(void)
{
    const double worst = net_self_test();
    printf("worst deviation of %d samples: %.1e\n", (int)net_n_samples, worst);
    return worst <= net_tolerance ? 0 : 1;
}
#endif

#endif
