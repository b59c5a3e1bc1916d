#include "policies/promql_codegen.hpp"

#include "policies/promql_functions.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

constexpr std::int64_t largest_workspace = std::int64_t{1} << 24;  // elements; 512 MiB in one trial

bool is_range(const PromqlNode& node) {
    return node.kind == PromqlNodeKind::subquery || (node.kind == PromqlNodeKind::selector && node.is_range);
}

std::optional<LabelSet> without_name(const LabelSet& labels) {
    LabelSet out = labels;
    out.erase("__name__");
    return out;
}

std::vector<std::int32_t> merged(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
    std::set<std::int32_t> all(a.begin(), a.end());
    all.insert(b.begin(), b.end());
    return {all.begin(), all.end()};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_small_power(double exponent) {
    return exponent == 0.5 || (exponent == std::floor(exponent) && std::abs(exponent) <= 64);
}

/// The value of an expression of numbers alone.
std::optional<double> literal(const PromqlNode& node) {
    if (node.kind == PromqlNodeKind::number) return node.number;
    if (node.kind != PromqlNodeKind::unary_minus && node.kind != PromqlNodeKind::binary) return std::nullopt;
    const std::optional<double> a = literal(*node.children[0]);
    if (!a) return std::nullopt;
    if (node.kind == PromqlNodeKind::unary_minus) return -*a;
    const std::optional<double> b = literal(*node.children[1]);
    if (!b || (node.op == PromqlBinary::power && !is_small_power(*b))) return std::nullopt;
    return apply_binary(node.op, *a, *b);
}

}  // namespace

// ---- bookkeeping

std::string PromqlCodeGenerator::located(std::int32_t column, const std::string& message) const {
    std::string out = "query column " + std::to_string(column) + ": " + message;
    for (auto name = m_metrics_open.rbegin(); name != m_metrics_open.rend(); ++name)
        out = "in the metric '" + *name + "', " + out;
    return out;
}
void PromqlCodeGenerator::problem(std::int32_t column, const std::string& message) {
    m_problems.push_back({m_where, m_path, located(column, message)});
}
void PromqlCodeGenerator::warning(std::int32_t column, const std::string& message) {
    m_program.warnings.push_back({m_where, m_path, located(column, message)});
}

PromqlInstruction& PromqlCodeGenerator::emit(PromqlOp op) {
    PromqlInstruction instruction;
    instruction.op = op;
    m_program.instructions.push_back(instruction);
    return m_program.instructions.back();
}

void PromqlCodeGenerator::pop(const PromqlFlow& flow) {
    --m_stack;
    m_elements -= flow.cardinality;
}

PromqlFlow PromqlCodeGenerator::push(PromqlFlow flow) {
    m_peak_stack = std::max(m_peak_stack, ++m_stack);
    m_elements += flow.cardinality;
    m_peak_elements = std::max(m_peak_elements, m_elements);
    m_points = std::max(m_points, flow.cardinality);
    return flow;
}

PromqlCodeGenerator::LabelMapping PromqlCodeGenerator::map_labels(const std::vector<std::int32_t>& labels,
                                                                  const Transform& transform) {
    LabelMapping mapping;
    std::vector<std::int32_t> words(labels.empty() ? 0 : static_cast<std::size_t>(labels.back()) + 1, -1);
    std::set<std::int32_t> results;
    bool changes = false;
    for (const std::int32_t id : labels) {
        const std::optional<LabelSet> mapped = transform(LabelSet(m_table.at(id)));
        changes = changes || !mapped || *mapped != m_table.at(id);
        if (!mapped) continue;
        const std::int32_t result = m_table.intern(*mapped);
        const bool pod = m_table.names_pod(result);
        if (!results.insert(result).second) mapping.is_injective = false;
        mapping.keeps_pods = mapping.keeps_pods || pod;
        words[static_cast<std::size_t>(id)] = 2 * result + (pod ? 1 : 0);
    }
    mapping.labels.assign(results.begin(), results.end());
    if (changes) {
        mapping.table = static_cast<std::int32_t>(m_program.words.size());
        m_program.words.insert(m_program.words.end(), words.begin(), words.end());
    }
    return mapping;
}

PromqlCodeGenerator::LabelMapping PromqlCodeGenerator::drop_name(const std::vector<std::int32_t>& labels) {
    return map_labels(labels, without_name);
}

void PromqlCodeGenerator::warn_of_unknown_labels(const PromqlNode& node, const std::vector<std::int32_t>& labels) {
    std::set<std::string> known;
    for (const std::int32_t id : labels)
        for (const auto& [name, value] : m_table.at(id)) known.insert(name);
    if (labels.empty()) return;
    for (const std::string& label : node.labels) {
        if (known.count(label) > 0) continue;
        std::string list;
        for (const std::string& name : known)
            if (name != "__name__") list += (list.empty() ? "" : ", ") + name;
        warning(node.column, "found the label '" + label + "', which no series here has; they have: " + list);
    }
}

// ---- the whole query

Result<PromqlProgram> PromqlCodeGenerator::run(std::string_view query) {
    auto tree = parse_promql(query, m_where, m_path);
    if (!tree) return tree.take_problems();
    m_program.semantics = m_compiler.options().semantics;
    const PromqlFlow flow = expression(**tree);
    m_program.is_scalar = flow.is_scalar;
    if (m_peak_stack > promql_stack_limit)
        problem(1, "found an expression that holds " + std::to_string(m_peak_stack) +
                       " intermediate values at once, allowed: " + std::to_string(promql_stack_limit));
    if (m_problems.empty() && (m_peak_elements > largest_workspace || m_points > largest_workspace))
        problem(1, "found a query over as many as " + std::to_string(std::max(m_peak_elements, m_points)) +
                       " values at once, allowed: " + std::to_string(largest_workspace));
    if (!m_problems.empty()) return m_problems;
    m_program.workspace.elements = static_cast<std::int32_t>(std::max<std::int64_t>(m_peak_elements, 1));
    m_program.workspace.points = static_cast<std::int32_t>(m_points);
    m_program.label_sets = m_table.sets();
    return std::move(m_program);
}

PromqlFlow PromqlCodeGenerator::expression(const PromqlNode& node) {
    switch (node.kind) {
        case PromqlNodeKind::number: emit(PromqlOp::number).number = node.number; return push({true, {}, 0});
        case PromqlNodeKind::string:
            problem(node.column, "found a string, allowed: a scalar or an instant vector");
            return push({true, {}, 0});
        case PromqlNodeKind::selector:
        case PromqlNodeKind::subquery:
            if (is_range(node)) {
                problem(node.column, "found a range vector, allowed: an instant vector or a scalar; wrap it in a function "
                                     "such as rate() or avg_over_time()");
                return push({});
            }
            return selector(node);
        case PromqlNodeKind::call: return call(node);
        case PromqlNodeKind::aggregation: return aggregation(node);
        case PromqlNodeKind::binary: return binary(node);
        case PromqlNodeKind::unary_minus: {
            PromqlFlow flow = expression(*node.children[0]);
            if (!flow.is_scalar) return map_top(std::move(flow), PromqlMap::negate);
            emit(PromqlOp::scalar_negate);
            return flow;
        }
    }
    return push({});
}

PromqlFlow PromqlCodeGenerator::vector(const PromqlNode& node, const std::string& user) {
    const std::size_t before = m_problems.size();
    PromqlFlow flow = expression(node);
    if (flow.is_scalar && m_problems.size() == before)
        problem(node.column, "found a scalar in " + user + ", allowed: an instant vector");
    flow.is_scalar = false;
    return flow;
}

void PromqlCodeGenerator::scalar(const PromqlNode& node, const std::string& user) {
    const std::size_t before = m_problems.size();
    const PromqlFlow flow = expression(node);
    if (!flow.is_scalar && m_problems.size() == before)
        problem(node.column, "found an instant vector in " + user + ", allowed: a scalar (scalar(...) makes one)");
    m_elements -= flow.cardinality;
}

// ---- selectors

std::vector<PromqlCodeGenerator::SelectedStream> PromqlCodeGenerator::resolve(const PromqlNode& node) {
    const MetricCatalog& catalog = m_compiler.catalog();
    std::vector<SelectedStream> selected;
    bool is_bounded = !node.name.empty();
    for (const PromqlMatcher& m : node.matchers) {
        if (judge(m, {}, nullptr) == LabelVerdict::bad_pattern) {
            problem(m.column, "found the pattern \"" + m.value + "\", allowed: a regular expression");
            return {};
        }
        if (m.label == "__name__" && !node.name.empty()) {
            problem(m.column, "found a second name for the metric '" + node.name + "', allowed: one");
            return {};
        }
        is_bounded = is_bounded || !accepts_empty(m);
    }
    if (!is_bounded) {
        problem(node.column, "found a selector that accepts everything, allowed: one with a metric name or a matcher that "
                             "does not accept the empty string");
        return {};
    }
    std::vector<std::int32_t> named;
    std::set<std::pair<std::int32_t, std::string>> reported;
    for (std::size_t f = 0; f < catalog.families.size(); ++f) {
        const MetricFamily& family = catalog.families[f];
        if (!node.name.empty() && node.name != family.name) continue;
        named.push_back(static_cast<std::int32_t>(f));
        const bool global = family.scope == MetricScope::global;
        const std::int32_t workloads = global ? 1 : static_cast<std::int32_t>(catalog.workloads.size());
        for (std::int32_t w = 0; w < workloads; ++w) {
            const auto& listed = family.workloads;
            if (!global && !listed.empty() && std::find(listed.begin(), listed.end(), w) == listed.end()) continue;
            const MetricWorkload* workload = global ? nullptr : &catalog.workloads[static_cast<std::size_t>(w)];
            LabelSet base;
            if (workload != nullptr) base = workload->labels;
            if (family.scope == MetricScope::per_pod)
                for (const auto& label : workload->pod_labels) base[label.first] = pod_label_placeholder;
            for (const std::string& hidden : family.hidden_labels) base.erase(hidden);
            for (const auto& [name, value] : family.constant_labels) base[name] = value;
            base["__name__"] = family.name;
            for (std::size_t x = 0; x < family.extras.size(); ++x) {
                LabelSet labels = base;
                for (const auto& [name, value] : family.extras[x]) labels[name] = value;
                bool accepted = true;
                const PromqlMatcher* undecided = nullptr;
                for (const PromqlMatcher& m : node.matchers) {
                    const LabelVerdict verdict = judge(m, labels, workload);
                    if (verdict == LabelVerdict::rejected) accepted = false;
                    if (verdict == LabelVerdict::depends_on_pod) undecided = &m;
                }
                if (!accepted) continue;
                if (undecided != nullptr) {
                    if (reported.insert({undecided->column, workload->name}).second)
                        problem(undecided->column, "found a matcher on '" + undecided->label + "' that tells pods of '" +
                                                       workload->name + "' apart (\"" + undecided->value +
                                                       "\"), allowed: one that accepts all or none of a workload's pods, "
                                                       "such as " + undecided->label + "=~\"" +
                                                       (undecided->label == "pod" ? workload->pod_name_prefix : "") + ".*\"");
                    continue;
                }
                selected.push_back({static_cast<std::int32_t>(f), global ? -1 : w, static_cast<std::int32_t>(x), labels});
            }
        }
    }
    if (selected.empty() && reported.empty()) warn_of_empty_selection(node, named);
    return selected;
}

void PromqlCodeGenerator::warn_of_empty_selection(const PromqlNode& node, const std::vector<std::int32_t>& families) {
    const MetricCatalog& catalog = m_compiler.catalog();
    if (families.empty()) {
        std::vector<std::string> names;
        for (const MetricFamily& family : catalog.families) names.push_back(family.name);
        for (const auto& [name, text] : m_compiler.options().metrics) names.push_back(name);
        const std::string nearest = nearest_name(node.name, names);
        warning(node.column, "found the metric '" + node.name + "', which nothing here exposes, so it is always empty" +
                                 (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
        return;
    }
    // Name the first matcher that no series passes, and what it could have asked for.
    for (const PromqlMatcher& m : node.matchers) {
        std::set<std::string> values;
        bool passes = false;
        for (const std::int32_t f : families) {
            const MetricFamily& family = catalog.families[static_cast<std::size_t>(f)];
            for (const MetricWorkload& workload : catalog.workloads) {
                for (const LabelSet& extra : family.extras) {
                    LabelSet labels = workload.labels;
                    for (const std::string& hidden : family.hidden_labels) labels.erase(hidden);
                    for (const auto& [name, value] : family.constant_labels) labels[name] = value;
                    for (const auto& [name, value] : extra) labels[name] = value;
                    labels["__name__"] = family.name;
                    if (family.scope == MetricScope::per_pod && workload.pod_labels.count(m.label) > 0)
                        labels[m.label] = pod_label_placeholder;
                    passes = passes || judge(m, labels, &workload) != LabelVerdict::rejected;
                    const auto found = labels.find(m.label);
                    if (found != labels.end() && found->second != pod_label_placeholder) values.insert(found->second);
                }
            }
        }
        if (passes) continue;
        std::string list;
        int listed = 0;
        for (const std::string& value : values)
            if (++listed <= 8) list += (list.empty() ? "" : ", ") + ("\"" + value + "\"");
        if (values.size() > 8) list += ", ...";
        warning(m.column, "found a matcher on '" + m.label + "' that no series passes (\"" + m.value +
                              "\"), so the selector is always empty; " +
                              (values.empty() ? "no series has this label" : "values: " + list));
        return;
    }
    warning(node.column, "found matchers that no series passes together, so the selector is always empty");
}

PromqlFlow PromqlCodeGenerator::selector(const PromqlNode& node) {
    if (m_compiler.options().metrics.count(node.name) > 0) return recorded_metric(node);
    const std::vector<SelectedStream> selected = resolve(node);
    if (selected.empty()) {
        emit(PromqlOp::empty);
        return push({});
    }
    PromqlFlow flow;
    const std::int64_t lookback = m_compiler.options().lookback_ms;
    const std::int32_t table = static_cast<std::int32_t>(m_program.words.size());
    for (const SelectedStream& s : selected) {
        const std::int64_t history = m_history_ms + std::max<std::int64_t>(node.offset_ms, 0) + lookback;
        const std::int32_t stream = m_compiler.require_stream(s.family, s.workload, s.extra, history);
        const std::int32_t labels = m_table.intern(s.labels);
        m_program.words.insert(m_program.words.end(), {stream, labels});
        flow.labels = merged(flow.labels, {labels});
        const bool per_pod = m_table.names_pod(labels);
        flow.cardinality += per_pod ? m_compiler.catalog().workloads[static_cast<std::size_t>(s.workload)].pod_slots : 1;
    }
    PromqlInstruction& op = emit(PromqlOp::select);
    op.table = table;
    op.count = static_cast<std::int32_t>(selected.size());
    op.range_ms = lookback;
    op.offset_ms = node.offset_ms;
    return push(std::move(flow));
}

/// The expression behind a name of `metrics`, in place of the name.
PromqlFlow PromqlCodeGenerator::recorded_metric(const PromqlNode& node) {
    if (contains(m_metrics_open, node.name)) {
        std::string circle;
        for (const std::string& name : m_metrics_open) circle += name + " -> ";
        problem(node.column, "found a circle of metrics: " + circle + node.name + ", allowed: metrics that do not need themselves");
        return push({});
    }
    auto tree = parse_promql(m_compiler.options().metrics.at(node.name), m_where, m_path);
    m_metrics_open.push_back(node.name);
    if (!tree) {
        Problems problems = tree.take_problems();
        for (Problem& p : problems) p.message = "in the metric '" + node.name + "', " + p.message;
        m_problems.insert(m_problems.end(), problems.begin(), problems.end());
        m_metrics_open.pop_back();
        return push({});
    }
    const std::int64_t outer_history = m_history_ms;
    m_history_ms += std::max<std::int64_t>(node.offset_ms, 0);
    if (node.offset_ms != 0) emit(PromqlOp::shift_time).offset_ms = node.offset_ms;
    PromqlFlow flow = expression(**tree);
    if (flow.is_scalar) {  // a recording rule stores a scalar as a series with no labels
        PromqlInstruction& op = emit(PromqlOp::vector_of_scalar);
        op.target = m_table.intern({});
        pop(flow);
        flow = push({false, {op.target}, 1});
    }
    if (node.offset_ms != 0) emit(PromqlOp::shift_time).offset_ms = -node.offset_ms;
    m_history_ms = outer_history;
    m_metrics_open.pop_back();
    bool undecided = false;
    const LabelMapping mapping = map_labels(flow.labels, [&](const LabelSet& before) -> std::optional<LabelSet> {
        LabelSet labels = before;
        labels["__name__"] = node.name;
        for (const PromqlMatcher& m : node.matchers) {
            const LabelVerdict verdict = judge(m, labels, nullptr);
            undecided = undecided || verdict == LabelVerdict::depends_on_pod;
            if (verdict != LabelVerdict::accepted) return std::nullopt;
        }
        return labels;
    });
    if (undecided) problem(node.column, "found a matcher on a pod's label of the recorded metric '" + node.name +
                                            "', allowed: put it into the metric's own expression");
    PromqlInstruction& op = emit(PromqlOp::relabel);
    op.table = mapping.table;
    op.check_duplicates = !mapping.is_injective;
    flow.labels = mapping.labels;
    return flow;
}

/// A range vector under a function. All range functions but last_over_time() drop the metric's name.
PromqlFlow PromqlCodeGenerator::range(const PromqlNode& node, const std::string& user, PromqlRangeFunction function) {
    if (!is_range(node)) {
        problem(node.column, "found an instant vector or a scalar in " + user + ", allowed: a range vector such as " +
                                 (node.kind == PromqlNodeKind::selector && !node.name.empty() ? node.name : "metric") + "[5m]");
        return push({});
    }
    if (node.kind == PromqlNodeKind::subquery)
        return subquery(node, function, node.step_ms, [&] { return vector(*node.children[0], "a subquery"); });
    if (m_compiler.options().metrics.count(node.name) > 0) {
        PromqlNode instant;
        instant.kind = PromqlNodeKind::selector;
        instant.column = node.column;
        instant.name = node.name;
        instant.matchers = node.matchers;
        return subquery(node, function, 0, [&] { return recorded_metric(instant); });
    }
    const std::vector<SelectedStream> selected = resolve(node);
    if (selected.empty()) {
        emit(PromqlOp::empty);
        return push({});
    }
    PromqlFlow flow;
    const std::int64_t history = m_history_ms + std::max<std::int64_t>(node.offset_ms, 0) + node.range_ms;
    const std::int32_t table = static_cast<std::int32_t>(m_program.words.size());
    bool distinct = true;
    for (const SelectedStream& s : selected) {
        const MetricFamily& family = m_compiler.catalog().families[static_cast<std::size_t>(s.family)];
        const std::int32_t stream = m_compiler.require_stream(s.family, s.workload, s.extra, history);
        const std::int32_t labels =
            m_table.intern(function == PromqlRangeFunction::last ? s.labels : *without_name(s.labels));
        m_program.words.insert(m_program.words.end(), {stream, labels});
        distinct = distinct && !std::binary_search(flow.labels.begin(), flow.labels.end(), labels);
        flow.labels = merged(flow.labels, {labels});
        const bool per_pod = family.scope == MetricScope::per_pod;
        const std::int64_t slots =
            per_pod ? m_compiler.catalog().workloads[static_cast<std::size_t>(s.workload)].pod_slots : 1;
        flow.cardinality += per_pod ? slots * m_compiler.options().pods_per_slot : slots;
        m_points = std::max(m_points, node.range_ms / family.scrape_interval_ms + 3);
    }
    PromqlInstruction& op = emit(PromqlOp::range_select);
    op.function = static_cast<std::uint8_t>(function);
    op.table = table;
    op.count = static_cast<std::int32_t>(selected.size());
    op.range_ms = node.range_ms;
    op.offset_ms = node.offset_ms;
    op.check_duplicates = !distinct;
    return push(std::move(flow));
}

PromqlFlow PromqlCodeGenerator::subquery(const PromqlNode& node, PromqlRangeFunction function, std::int64_t step_ms,
                                         const std::function<PromqlFlow()>& body) {
    if (step_ms == 0) step_ms = m_compiler.options().default_subquery_step_ms;
    if (++m_subqueries > promql_subquery_limit)
        problem(node.column, "found more than " + std::to_string(promql_subquery_limit) + " subqueries inside each other");
    const std::int32_t begin = static_cast<std::int32_t>(m_program.instructions.size());
    emit(PromqlOp::subquery_begin);
    const std::int64_t outer_history = m_history_ms, outer_peak = m_peak_elements, base = m_elements;
    m_history_ms += node.range_ms + std::max<std::int64_t>(node.offset_ms, 0);
    m_peak_elements = m_elements;
    const PromqlFlow inner = body();
    pop(inner);
    m_history_ms = outer_history;
    --m_subqueries;

    const std::int64_t steps = node.range_ms / step_ms + 1;
    const std::int64_t body_peak = m_peak_elements - base;
    m_peak_elements = std::max(outer_peak, base + (steps - 1) * inner.cardinality + body_peak);
    m_points = std::max(m_points, steps);

    const LabelMapping mapping = function == PromqlRangeFunction::last
                                     ? map_labels(inner.labels, [](const LabelSet& l) { return l; })
                                     : drop_name(inner.labels);
    PromqlInstruction& end = emit(PromqlOp::subquery_end);
    end.function = static_cast<std::uint8_t>(function);
    end.target = begin;
    end.table = mapping.table;
    end.check_duplicates = !mapping.is_injective;
    PromqlInstruction& first = m_program.instructions[static_cast<std::size_t>(begin)];
    first.target = static_cast<std::int32_t>(m_program.instructions.size()) - 1;
    first.range_ms = node.range_ms;
    first.offset_ms = node.offset_ms;
    first.step_ms = step_ms;
    const std::int64_t series = inner.cardinality * std::min<std::int64_t>(steps, m_compiler.options().pods_per_slot);
    return push({false, mapping.labels, series});
}

// ---- operators

PromqlCodeGenerator::Transform PromqlCodeGenerator::matching(const PromqlNode& node) const {
    return [&node](const LabelSet& before) -> std::optional<LabelSet> {
        LabelSet labels;
        for (const auto& [name, value] : before) {
            const bool named = contains(node.labels, name);
            if (node.matches_on ? named : (!named && name != "__name__")) labels[name] = value;
        }
        return labels;
    };
}

PromqlFlow PromqlCodeGenerator::binary(const PromqlNode& node) {
    const std::size_t before = m_problems.size();
    const bool is_set = node.op >= PromqlBinary::set_and;
    const bool compares = node.op >= PromqlBinary::equal && node.op <= PromqlBinary::greater_equal;
    const PromqlFlow left = expression(*node.children[0]);
    const PromqlFlow right = expression(*node.children[1]);
    auto give_up = [&](const std::string& message) {
        if (m_problems.size() == before) problem(node.column, message);
        pop(right);
        pop(left);
        return push({left.is_scalar && right.is_scalar, {}, 0});
    };
    if (m_problems.size() != before) return give_up("");
    if (is_set && (left.is_scalar || right.is_scalar))
        return give_up("found a scalar beside and, or, unless, allowed: instant vectors (vector(0) makes one)");
    if (node.has_matching && (left.is_scalar || right.is_scalar))
        return give_up("found on() or ignoring() beside a scalar, allowed: only between instant vectors");
    if (left.is_scalar && right.is_scalar && compares && !node.returns_bool)
        return give_up("found a comparison of two scalars without bool, allowed: == bool, > bool ...");
    if (node.op == PromqlBinary::power) {
        const std::optional<double> exponent = literal(*node.children[1]);
        if (!exponent || !is_small_power(*exponent)) return give_up("found ^ with another exponent, allowed: a constant integer from -64 to 64, or 0.5");
    }
    if (is_set) return set_binary(node, left, right);
    if (!left.is_scalar && !right.is_scalar) return joined(node, left, right);
    pop(right);
    pop(left);
    if (left.is_scalar && right.is_scalar) {
        emit(PromqlOp::scalar_binary).function = static_cast<std::uint8_t>(node.op);
        return push({true, {}, 0});
    }
    PromqlFlow flow = left.is_scalar ? right : left;
    const bool filters = compares && !node.returns_bool;
    const LabelMapping mapping = filters ? LabelMapping{-1, flow.labels, true, true} : drop_name(flow.labels);
    PromqlInstruction& op = emit(PromqlOp::vector_scalar);
    op.function = static_cast<std::uint8_t>(node.op);
    op.returns_bool = node.returns_bool;
    op.swap = left.is_scalar;
    op.table = mapping.table;
    op.check_duplicates = !mapping.is_injective;
    flow.labels = mapping.labels;
    return push(std::move(flow));
}

PromqlFlow PromqlCodeGenerator::set_binary(const PromqlNode& node, const PromqlFlow& left, const PromqlFlow& right) {
    const LabelMapping left_match = map_labels(left.labels, matching(node));
    const LabelMapping right_match = map_labels(right.labels, matching(node));
    PromqlInstruction& op = emit(PromqlOp::set_binary);
    op.function = static_cast<std::uint8_t>(node.op);
    op.left_match = left_match.table;
    op.right_match = right_match.table;
    pop(right);
    pop(left);
    if (node.op != PromqlBinary::set_or) return push(left);
    return push({false, merged(left.labels, right.labels), left.cardinality + right.cardinality});
}

PromqlFlow PromqlCodeGenerator::joined(const PromqlNode& node, const PromqlFlow& left, const PromqlFlow& right) {
    const bool swapped = node.cardinality == PromqlCardinality::one_to_many;
    const bool one_to_one = node.cardinality == PromqlCardinality::one_to_one;
    const bool drops_name = node.op < PromqlBinary::equal || node.returns_bool;
    const PromqlFlow& many = swapped ? right : left;
    const PromqlFlow& one = swapped ? left : right;
    warn_of_unknown_labels(node, merged(left.labels, right.labels));
    const LabelMapping left_match = map_labels(left.labels, matching(node));
    const LabelMapping right_match = map_labels(right.labels, matching(node));
    auto result_labels = [&](const LabelSet& before, const LabelSet* partner) {
        LabelSet labels = before;
        if (drops_name) labels.erase("__name__");
        if (one_to_one)
            std::erase_if(labels, [&](const auto& l) { return contains(node.labels, l.first) != node.matches_on; });
        if (partner != nullptr) {
            for (const std::string& name : node.include) {
                const auto found = partner->find(name);
                if (found == partner->end()) labels.erase(name);
                else labels[name] = found->second;
            }
        }
        return labels;
    };
    PromqlInstruction op;
    op.op = PromqlOp::vector_vector;
    op.function = static_cast<std::uint8_t>(node.op);
    op.returns_bool = node.returns_bool;
    op.cardinality = node.cardinality;
    op.left_match = left_match.table;
    op.right_match = right_match.table;
    op.check_duplicates = !one_to_one;
    PromqlFlow flow;
    flow.cardinality = one_to_one ? std::min(left.cardinality, right.cardinality) : many.cardinality;
    if (node.include.empty()) {
        const LabelMapping mapping = map_labels(many.labels, [&](const LabelSet& l) { return result_labels(l, nullptr); });
        op.table = mapping.table;
        flow.labels = mapping.labels;
    } else if (!many.labels.empty() && !one.labels.empty()) {
        std::set<std::int32_t> results;
        const std::size_t width = static_cast<std::size_t>(one.labels.back()) + 1;
        std::vector<std::int32_t> words((static_cast<std::size_t>(many.labels.back()) + 1) * width, 0);
        for (const std::int32_t o : one.labels) {
            for (const std::string& name : node.include) {
                const auto found = m_table.at(o).find(name);
                if (found == m_table.at(o).end() || found->second != pod_label_placeholder) continue;
                problem(node.column, "found the pod's label '" + name + "' in group_left/group_right, allowed: labels of the workload");
                pop(right);
                pop(left);
                return push({});
            }
            for (const std::int32_t m : many.labels) {
                const LabelSet partner = m_table.at(o);
                const std::int32_t result = m_table.intern(result_labels(LabelSet(m_table.at(m)), &partner));
                results.insert(result);
                words[static_cast<std::size_t>(m) * width + static_cast<std::size_t>(o)] =
                    2 * result + (m_table.names_pod(result) ? 1 : 0);
            }
        }
        op.include = static_cast<std::int32_t>(m_program.words.size());
        op.include_width = static_cast<std::int32_t>(width);
        m_program.words.insert(m_program.words.end(), words.begin(), words.end());
        flow.labels.assign(results.begin(), results.end());
    }
    m_program.instructions.push_back(op);
    pop(right);
    pop(left);
    return push(std::move(flow));
}

}  // namespace windtunnel
