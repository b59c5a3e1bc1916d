#pragma once
#include "policies/promql_functions.hpp"
#include "policies/promql_program.hpp"

#include <cstdint>

/// What PromQL does with whole instant vectors: groups, joins, histograms, order. Everything works in place
/// on an array of elements, with `points` as scratch (at least as many as there are elements), and keeps
/// a fixed order: groups in the order of their first element, elements in the order of their series.
namespace windtunnel {

/// A label map of the program; `words == nullptr` keeps labels as they are.
struct PromqlLabelMap {
    const std::int32_t* words = nullptr;

    /// Gives the element its new identity; false when the map drops it.
    WT_HD bool apply(PromqlElement& e) const {
        if (words == nullptr) return true;
        const std::int32_t word = words[e.labels];
        if (word < 0) return false;
        e.labels = word >> 1;
        if ((word & 1) == 0) {
            e.pod = -1;
            e.generation = 0;
        }
        return true;
    }
    /// Whether an element that is not dropped has the identity of `group` once it is mapped.
    WT_HD bool is_in(const PromqlElement& e, const PromqlElement& group) const {
        const std::int32_t word = words == nullptr ? 2 * e.labels + 1 : words[e.labels];
        if (word < 0) return e.labels == group.labels && e.pod == group.pod && e.generation == group.generation;
        if (word >> 1 != group.labels) return false;
        return (word & 1) == 0 ? group.pod == -1 && group.generation == 0
                               : e.pod == group.pod && e.generation == group.generation;
    }
};

WT_HD inline PromqlLabelMap label_map(const PromqlProgramView& program, std::int32_t table) {
    return {table < 0 ? nullptr : program.words + table};
}

/// count_values(): the value is a label. It takes the place of the pod in the element's identity: 63 bits of the double,
/// so that values apart by the last bit of their fraction alone are one; `pod` is below -1, which no pod's is.
WT_HD inline void identify_by_value(PromqlElement& e) {
    union {
        double value;
        std::uint64_t bits;
    } key{e.value};
    if (e.value != e.value) key.bits = std::uint64_t{0x7ff8} << 48;  // every NaN is printed alike
    e.pod = static_cast<std::int32_t>(static_cast<std::int64_t>(key.bits >> 33) - (std::int64_t{1} << 31));
    e.generation = static_cast<std::uint32_t>(key.bits >> 1);
}

WT_HD inline bool same_labels(const PromqlElement& a, const PromqlElement& b) {
    return a.labels == b.labels && a.pod == b.pod && a.generation == b.generation;
}

WT_HD inline bool has_duplicates(const PromqlElement* elements, std::int32_t count) {
    for (std::int32_t i = 1; i < count; ++i)
        for (std::int32_t j = 0; j < i; ++j)
            if (same_labels(elements[i], elements[j])) return true;
    return false;
}

/// sort(): by value with NaN last, stable.
WT_HD_CALL inline void sort_elements(PromqlElement* elements, std::int32_t count, bool descending) {
    for (std::int32_t i = 1; i < count; ++i) {
        const PromqlElement moved = elements[i];
        std::int32_t j = i;
        for (; j > 0; --j) {
            const double before = elements[j - 1].value;
            const bool wrong = is_nan(before) ? !is_nan(moved.value)
                                              : (descending ? moved.value > before : moved.value < before);
            if (!wrong) break;
            elements[j] = elements[j - 1];
        }
        elements[j] = moved;
    }
}

/// The binary heap of topk() and bottomk(): points carry a value and, as time, the element's index. Its root
/// is the value that is given up first; among equals that is the one Prometheus' heap gives up.
struct PromqlHeap {
    PromqlPoint* points = nullptr;
    std::int32_t count = 0;
    bool keeps_largest = true;

    WT_HD bool less(std::int32_t i, std::int32_t j) const {
        const double a = points[i].value, b = points[j].value;
        return is_nan(a) || (keeps_largest ? a < b : a > b);
    }
    WT_HD void swap_points(std::int32_t i, std::int32_t j) {
        const PromqlPoint kept = points[i];
        points[i] = points[j];
        points[j] = kept;
    }
    WT_HD void push(PromqlPoint p) {
        points[count++] = p;
        for (std::int32_t j = count - 1; j > 0;) {
            const std::int32_t parent = (j - 1) / 2;
            if (!less(j, parent)) return;
            swap_points(parent, j);
            j = parent;
        }
    }
    WT_HD void pop() {
        swap_points(0, --count);
        for (std::int32_t i = 0;;) {
            std::int32_t child = 2 * i + 1;
            if (child >= count) return;
            if (child + 1 < count && less(child + 1, child)) ++child;
            if (!less(child, i)) return;
            swap_points(i, child);
            i = child;
        }
    }
    WT_HD void offer(PromqlPoint p, std::int32_t limit) {
        const double root = count > 0 ? points[0].value : 0;
        const bool better = keeps_largest ? root < p.value : root > p.value;
        if (count >= limit && !better && !is_nan(root)) return;
        if (count >= limit) pop();
        push(p);
    }
};

/// One value of a group's members, in their order. `points` may be reordered.
WT_HD_CALL inline double aggregate_values(PromqlAggregate function, PromqlPoint* points, std::int32_t count,
                                          double parameter, PromqlSemantics semantics) {
    const bool compensated = semantics == PromqlSemantics::prometheus_3;
    switch (function) {
        case PromqlAggregate::avg: {
            if (compensated) {  // 3.x: the sum divided, as long as it stays finite
                CompensatedSum sum;
                for (std::int32_t i = 0; i < count; ++i) sum.add(points[i].value);
                const double n = static_cast<double>(count);
                if (!is_infinite(sum.sum)) return sum.sum / n + sum.rest / n;
            }
            RunningMean mean;
            for (std::int32_t i = 0; i < count; ++i) mean.add(points[i].value, compensated);
            return mean.result();
        }
        case PromqlAggregate::count_values:
            return static_cast<double>(count);
        case PromqlAggregate::stddev:
        case PromqlAggregate::stdvar: {
            double mean = 0, squares = 0;
            for (std::int32_t i = 0; i < count; ++i) {
                const double delta = points[i].value - mean;
                mean += delta / static_cast<double>(i + 1);
                squares += delta * (points[i].value - mean);
            }
            const double variance = squares / static_cast<double>(count);
            return function == PromqlAggregate::stddev ? std::sqrt(variance) : variance;
        }
        case PromqlAggregate::quantile:
            return quantile_of(parameter, points, count);
        default:
            return promql_nan;
    }
}

/// Aggregations that need of a group's members no more than what those before came to.
WT_HD inline bool adds_up_as_it_goes(PromqlAggregate function) {
    return function == PromqlAggregate::sum || function == PromqlAggregate::min || function == PromqlAggregate::max ||
           function == PromqlAggregate::count || function == PromqlAggregate::group;
}
/// An order of identities in which the pods of one stream ascend.
WT_HD inline bool comes_after(const PromqlElement& a, const PromqlElement& b) {
    if (a.pod != b.pod) return a.pod > b.pod;
    if (a.labels != b.labels) return a.labels > b.labels;
    return a.generation > b.generation;
}
/// Where the group of a mapped element stands among `count` ones; `count`: it is the first of its group. Series come
/// stream by stream, in each by pod: nearly always it is where the element before it went (`at`), the next one, or a
/// new one behind the `highest`.
WT_HD inline std::int32_t group_of(const PromqlElement& e, const PromqlElement* groups, std::int32_t count,
                                   std::int32_t at, std::int32_t highest) {
    if (count == 0 || same_labels(groups[at], e)) return at;
    if (comes_after(e, groups[highest])) return count;
    if (at + 1 < count && same_labels(groups[at + 1], e)) return at + 1;
    for (at = 0; at < count && !same_labels(groups[at], e);) ++at;
    return at;
}
/// The same as `aggregate` of these functions, in one pass. `points`: what a sum has lost (CompensatedSum::rest), by
/// group.
WT_HD_CALL inline std::int32_t add_up(PromqlAggregate function, PromqlElement* elements, std::int32_t count,
                                      PromqlLabelMap groups, PromqlPoint* points, PromqlSemantics semantics) {
    std::int32_t out = 0, at = 0, highest = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        const double v = elements[i].value;
        PromqlElement e = elements[i];
        (void)groups.apply(e);
        at = group_of(e, elements, out, at, highest);
        PromqlElement& group = elements[at];  // at <= i: only consumed elements are overwritten
        if (at == out) {
            if (out == 0 || comes_after(e, elements[highest])) highest = at;
            group = e;
            if (function == PromqlAggregate::sum || function == PromqlAggregate::count) group.value = 0;
            points[at].value = 0;
            ++out;
        }
        if (function == PromqlAggregate::sum) {
            CompensatedSum sum{group.value, points[at].value};
            sum.add(v);
            group.value = sum.sum;
            points[at].value = sum.rest;
        } else if (function == PromqlAggregate::group || function == PromqlAggregate::count) {
            group.value = function == PromqlAggregate::group ? 1 : group.value + 1;
        } else if ((function == PromqlAggregate::max ? group.value < v : group.value > v) || is_nan(group.value)) {
            group.value = v;
        }
    }
    for (std::int32_t g = 0; g < out && function == PromqlAggregate::sum && semantics == PromqlSemantics::prometheus_3; ++g)
        elements[g].value = CompensatedSum{elements[g].value, points[g].value}.result();
    return out;
}

/// Any aggregation. `scratch` has room for `count` elements (topk and bottomk use it). Returns how many
/// elements are left.
WT_HD_CALL inline std::int32_t aggregate(PromqlAggregate function, PromqlElement* elements, std::int32_t count,
                                         PromqlLabelMap groups, double parameter, PromqlElement* scratch,
                                         PromqlPoint* points, PromqlSemantics semantics) {
    const bool selects = function == PromqlAggregate::topk || function == PromqlAggregate::bottomk;
    if (adds_up_as_it_goes(function)) return add_up(function, elements, count, groups, points, semantics);
    std::int32_t limit = count;
    if (selects) {
        if (parameter < 1) return 0;
        if (parameter < static_cast<double>(count)) limit = static_cast<std::int32_t>(parameter);
    }
    for (std::int32_t i = 0; i < count; ++i) elements[i].mark = 0;
    std::int32_t out = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        if (elements[i].mark != 0) continue;
        PromqlElement group = elements[i];
        (void)groups.apply(group);
        PromqlHeap heap{points, 0, function == PromqlAggregate::topk};
        std::int32_t members = 0;
        for (std::int32_t j = i; j < count; ++j) {
            if (elements[j].mark != 0 || !groups.is_in(elements[j], group)) continue;
            elements[j].mark = 1;
            if (selects)
                heap.offer({j, elements[j].value}, limit);
            else
                points[members++] = {j, elements[j].value};
        }
        if (selects) {
            const std::int32_t first = out;
            for (std::int32_t k = 0; k < heap.count; ++k) scratch[out++] = elements[points[k].time_ms];
            sort_elements(scratch + first, heap.count, function == PromqlAggregate::topk);
        } else {
            group.value = aggregate_values(function, points, members, parameter, semantics);
            elements[out++] = group;  // out <= i: only consumed elements are overwritten
        }
    }
    if (selects)
        for (std::int32_t k = 0; k < out; ++k) elements[k] = scratch[k];
    return out;
}

/// histogram_quantile(): groups by all labels but `le`, by `groups` (-1: an element that is no bucket), with
/// the upper bounds by label set. The quantile lies by linear interpolation in the first bucket whose
/// cumulative count reaches the rank; in the last bucket it is the last finite bound.
WT_HD_CALL inline std::int32_t histogram_quantiles(double q, PromqlElement* elements, std::int32_t count,
                                                   PromqlLabelMap groups, const double* bounds,
                                                   PromqlPoint* points) {
    for (std::int32_t i = 0; i < count; ++i) elements[i].mark = 0;
    std::int32_t out = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        if (elements[i].mark != 0) continue;
        PromqlElement group = elements[i];
        if (!groups.apply(group)) continue;
        std::int32_t buckets = 0;
        for (std::int32_t j = i; j < count; ++j) {  // gathered in order of their bounds, equal bounds added
            if (elements[j].mark != 0) continue;
            PromqlElement other = elements[j];
            if (!groups.apply(other) || !same_labels(group, other)) continue;
            elements[j].mark = 1;
            const double bound = bounds[elements[j].labels];
            std::int32_t at = buckets;
            while (at > 0 && bounds[points[at - 1].time_ms] > bound) --at;
            if (at > 0 && bounds[points[at - 1].time_ms] == bound) {
                points[at - 1].value += elements[j].value;
                continue;
            }
            for (std::int32_t k = buckets; k > at; --k) points[k] = points[k - 1];
            points[at] = {elements[j].labels, elements[j].value};
            ++buckets;
        }
        auto bound_of = [&](std::int32_t b) { return bounds[points[b].time_ms]; };
        double value = promql_nan;
        if (is_nan(q)) {
            value = promql_nan;
        } else if (q < 0 || q > 1) {
            value = q < 0 ? -promql_infinity : promql_infinity;
        } else if (buckets >= 2 && bound_of(buckets - 1) == promql_infinity) {
            for (std::int32_t b = 1; b < buckets; ++b)
                if (points[b].value < points[b - 1].value) points[b].value = points[b - 1].value;
            const double observations = points[buckets - 1].value;
            double rank = q * observations;
            std::int32_t b = 0;
            while (b < buckets - 1 && !(points[b].value >= rank)) ++b;
            if (observations == 0) {
                value = promql_nan;
            } else if (b == buckets - 1) {
                value = bound_of(buckets - 2);
            } else if (b == 0 && bound_of(0) <= 0) {
                value = bound_of(0);
            } else {
                double from = 0, inside = points[b].value;
                if (b > 0) {
                    from = bound_of(b - 1);
                    inside -= points[b - 1].value;
                    rank -= points[b - 1].value;
                }
                value = from + (bound_of(b) - from) * (rank / inside);
            }
        }
        group.value = value;
        elements[out++] = group;
    }
    return out;
}

/// One side of a vector matching.
struct PromqlSide {
    const PromqlElement* elements = nullptr;
    std::int32_t count = 0;
    PromqlLabelMap match;

    /// The first element from `from` on in the match group of `key` (already mapped); -1 = none.
    WT_HD std::int32_t find(const PromqlElement& key, std::int32_t from = 0) const {
        for (std::int32_t i = from; i < count; ++i) {
            PromqlElement e = elements[i];
            (void)match.apply(e);
            if (same_labels(e, key)) return i;
        }
        return -1;
    }
};

/// and, or, unless on adjacent vectors (left at elements[0], right behind it). Returns the count of the
/// result, which starts at elements[0].
WT_HD_CALL inline std::int32_t set_operation(PromqlBinary op, PromqlElement* elements, std::int32_t left_count,
                                             std::int32_t right_count, PromqlLabelMap left_match,
                                             PromqlLabelMap right_match) {
    const PromqlElement* right = elements + left_count;
    std::int32_t out = 0;
    if (op == PromqlBinary::set_or) {
        const PromqlSide left_side{elements, left_count, left_match};
        out = left_count;
        for (std::int32_t j = 0; j < right_count; ++j) {
            PromqlElement key = right[j];
            (void)right_match.apply(key);
            if (left_side.find(key) < 0) elements[out++] = right[j];
        }
        return out;
    }
    const PromqlSide right_side{right, right_count, right_match};
    for (std::int32_t i = 0; i < left_count; ++i) {
        PromqlElement key = elements[i];
        (void)left_match.apply(key);
        if ((right_side.find(key) >= 0) == (op == PromqlBinary::set_and)) elements[out++] = elements[i];
    }
    return out;
}

/// An arithmetic or comparison operator on adjacent vectors, with vector matching. The result starts at
/// elements[0].
WT_HD_CALL inline PromqlStatus join(const PromqlInstruction& op, const PromqlProgramView& program,
                               PromqlElement* elements, std::int32_t left_count, std::int32_t right_count,
                                    std::int32_t& out) {
    out = 0;
    if (left_count == 0 || right_count == 0) return PromqlStatus::ok;
    const PromqlBinary function = static_cast<PromqlBinary>(op.function);
    const bool swapped = op.cardinality == PromqlCardinality::one_to_many;
    const PromqlSide left{elements, left_count, label_map(program, op.left_match)};
    const PromqlSide right{elements + left_count, right_count, label_map(program, op.right_match)};
    const PromqlSide many = swapped ? right : left;
    const PromqlSide one = swapped ? left : right;
    // The result may overwrite the `one` side, so with sides swapped it is written over `many` and moved at
    // the end.
    PromqlElement* result = elements + (swapped ? left_count : 0);
    for (std::int32_t j = 0; j < one.count; ++j) {
        PromqlElement key = one.elements[j];
        (void)one.match.apply(key);
        if (one.find(key, j + 1) >= 0) return PromqlStatus::many_to_many;
    }
    for (std::int32_t j = 0; j < one.count; ++j) const_cast<PromqlElement*>(one.elements)[j].mark = 0;
    for (std::int32_t i = 0; i < many.count; ++i) {
        PromqlElement key = many.elements[i];
        (void)many.match.apply(key);
        const std::int32_t partner = one.find(key);
        if (partner < 0) continue;
        const PromqlElement& m = many.elements[i];
        PromqlElement& o = const_cast<PromqlElement&>(one.elements[partner]);
        const double a = swapped ? o.value : m.value;
        const double b = swapped ? m.value : o.value;
        double value = apply_binary(function, a, b);
        if (is_comparison(function) && !op.returns_bool) {
            if (value == 0) continue;
            value = a;
        }
        if (op.cardinality == PromqlCardinality::one_to_one) {
            if (o.mark != 0) return PromqlStatus::many_to_many;
            o.mark = 1;
        }
        PromqlElement e = m;
        if (op.include >= 0) {
            const std::int32_t word = program.words[op.include + m.labels * op.include_width + o.labels];
            e.labels = word >> 1;
            if ((word & 1) == 0) e.pod = -1, e.generation = 0;
        } else {
            (void)label_map(program, op.table).apply(e);
        }
        e.value = value;
        result[out++] = e;
    }
    if (swapped)
        for (std::int32_t k = 0; k < out; ++k) elements[k] = result[k];
    if (op.check_duplicates && has_duplicates(elements, out)) return PromqlStatus::many_to_many;
    return PromqlStatus::ok;
}

}  // namespace windtunnel
