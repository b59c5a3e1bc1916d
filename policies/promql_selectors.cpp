// Selectors, ranges, subqueries and recorded metrics of the PromQL compiler.
#include "policies/promql_codegen.hpp"

#include <algorithm>

namespace windtunnel {

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
        problem(node.column,
                "found a selector that accepts everything, allowed: one with a metric name or a matcher that "
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
            if (!global && !listed.empty() && std::find(listed.begin(), listed.end(), w) == listed.end())
                continue;
            const MetricWorkload* workload =
                global ? nullptr : &catalog.workloads[static_cast<std::size_t>(w)];
            const LabelSet base = labels_of_series(family, workload);
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
                        problem(undecided->column,
                                "found a matcher on '" + undecided->label + "' that tells pods of '" +
                                    workload->name + "' apart (\"" + undecided->value +
                                    "\"), allowed: one that accepts all or none of a workload's pods, "
                                    "such as " +
                                    undecided->label + "=~\"" +
                                    (undecided->label == "pod" ? workload->pod_name_prefix : "") + ".*\"");
                    continue;
                }
                selected.push_back(
                    {static_cast<std::int32_t>(f), global ? -1 : w, static_cast<std::int32_t>(x), labels});
            }
        }
    }
    if (selected.empty() && reported.empty()) warn_of_empty_selection(node, named);
    return selected;
}

/// How far back from the evaluation of the query a selector or subquery looks, before its own range and offset.
std::int64_t PromqlCodeGenerator::history_before(const PromqlNode& node) const {
    const PromqlOptions& options = m_compiler.options();
    if (node.at == PromqlAt::now) return m_history_ms;
    if (node.at == PromqlAt::evaluation) return options.delay_ms;
    return std::min<std::int64_t>(options.longest_history_ms, 86'400'000);  // any time of the trial
}

void PromqlCodeGenerator::warn_of_empty_selection(const PromqlNode& node,
                                                  const std::vector<std::int32_t>& families) {
    const MetricCatalog& catalog = m_compiler.catalog();
    if (families.empty()) {
        m_program.unknown_metrics.push_back(node.name);
        std::vector<std::string> names;
        for (const MetricFamily& family : catalog.families) names.push_back(family.name);
        for (const auto& [name, text] : m_compiler.options().metrics) names.push_back(name);
        for (const auto& [name, parts] : m_compiler.options().parts) names.push_back(name);
        const std::string nearest = nearest_name(node.name, names);
        warning(node.column, "found the metric '" + node.name +
                                 "', which nothing here exposes, so it is always empty" +
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
                    LabelSet labels = labels_of_series(family, &workload);
                    for (const auto& [name, value] : extra) labels[name] = value;
                    passes = passes || judge(m, labels, &workload) != LabelVerdict::rejected;
                    const auto found = labels.find(m.label);
                    if (found != labels.end() && found->second != pod_label_placeholder)
                        values.insert(found->second);
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

std::int32_t PromqlCodeGenerator::require_stream(const PromqlNode& node, const SelectedStream& s,
                                                 std::int64_t history_ms) {
    constexpr std::int64_t longest = std::int64_t{1} << 20;  // 16 MiB for each series
    const MetricFamily& family = m_compiler.catalog().families[static_cast<std::size_t>(s.family)];
    history_ms = std::min(history_ms, m_compiler.options().longest_history_ms);
    const std::int64_t samples = history_ms / family.scrape_interval_ms;
    if (samples > longest) {
        problem(node.column, "found a query that needs the last " + std::to_string(samples) +
                                 " samples of every series, allowed: " + std::to_string(longest));
        return 0;
    }
    return m_compiler.require_stream(s.family, s.workload, s.extra, history_ms);
}

PromqlFlow PromqlCodeGenerator::selector(const PromqlNode& node) {
    if (m_compiler.options().is_recorded(node.name)) return recorded_metric(node);
    const std::vector<SelectedStream> selected = resolve(node);
    if (selected.empty()) {
        emit(PromqlOp::empty);
        return push({});
    }
    PromqlFlow flow;
    const std::int64_t lookback = m_compiler.options().lookback_ms;
    const std::int32_t table = static_cast<std::int32_t>(m_program.words.size());
    for (const SelectedStream& s : selected) {
        const std::int64_t past = history_before(node) + std::max<std::int64_t>(node.offset_ms, 0);
        const std::int64_t history = past > 0 ? past + lookback : 0;
        const std::int32_t stream = require_stream(node, s, history);
        const std::int32_t labels = m_table.intern(s.labels);
        m_program.words.insert(m_program.words.end(), {stream, labels});
        flow.labels = merged(flow.labels, {labels});
        const bool per_pod = m_table.names_pod(labels);
        flow.cardinality +=
            per_pod ? m_compiler.catalog().workloads[static_cast<std::size_t>(s.workload)].pod_slots : 1;
    }
    PromqlInstruction& op = emit(PromqlOp::select);
    op.table = table;
    op.count = static_cast<std::int32_t>(selected.size());
    op.range_ms = lookback;
    op.offset_ms = node.offset_ms;
    op.at = node.at;
    op.at_ms = node.at_ms;
    return push(std::move(flow));
}

/// The expression behind a name; of a metric in parts those that the matchers may select, "" = none.
std::string PromqlCodeGenerator::recorded_text(const PromqlNode& node) {
    const PromqlOptions& options = m_compiler.options();
    const auto whole = options.metrics.find(node.name);
    if (whole != options.metrics.end()) return whole->second;
    std::string text;
    for (const PromqlMetricPart& part : options.parts.at(node.name)) {
        const bool left_out = std::any_of(node.matchers.begin(), node.matchers.end(), [&](const PromqlMatcher& m) {
            return part.labels.contains(m.label) && judge(m, part.labels, nullptr) != LabelVerdict::accepted;
        });
        if (left_out) continue;
        if (!part.refused.empty()) problem(node.column, "found " + part.refused);
        text += (text.empty() ? "" : " or ") + part.expression;
    }
    return text;
}

/// The expression behind a name of `metrics`, in place of the name.
PromqlFlow PromqlCodeGenerator::recorded_metric(const PromqlNode& node) {
    if (contains(m_metrics_open, node.name)) {
        std::string circle;
        for (const std::string& name : m_metrics_open) circle += name + " -> ";
        problem(node.column, "found a circle of metrics: " + circle + node.name +
                                 ", allowed: metrics that do not need themselves");
        return push({});
    }
    if (node.at != PromqlAt::now) {
        problem(node.column, "found @ behind the recorded metric '" + node.name + "', allowed: behind a series that is scraped");
        return push({});
    }
    const std::string text = recorded_text(node);
    if (text.empty()) {
        warning(node.column, "found matchers on '" + node.name + "' that no series passes, so the selector is always empty");
        emit(PromqlOp::empty);
        return push({});
    }
    auto tree = parse_promql(text, m_where, m_path);
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
    const LabelMapping mapping =
        map_labels(flow.labels, [&](const LabelSet& before) -> std::optional<LabelSet> {
            LabelSet labels = before;
            labels["__name__"] = node.name;
            for (const PromqlMatcher& m : node.matchers) {
                const LabelVerdict verdict = judge(m, labels, nullptr);
                undecided = undecided || verdict == LabelVerdict::depends_on_pod;
                if (verdict != LabelVerdict::accepted) return std::nullopt;
            }
            return labels;
        });
    if (undecided)
        problem(node.column, "found a matcher on a pod's label of the recorded metric '" + node.name +
                                 "', allowed: put it into the metric's own expression");
    PromqlInstruction& op = emit(PromqlOp::relabel);
    op.table = mapping.table;
    op.check_duplicates = !mapping.is_injective;
    flow.labels = mapping.labels;
    return flow;
}

/// A range vector under a function. All range functions but last_over_time() drop the metric's name.
PromqlFlow PromqlCodeGenerator::range(const PromqlNode& node, const std::string& user,
                                      PromqlRangeFunction function) {
    if (!is_range(node)) {
        problem(node.column,
                "found an instant vector or a scalar in " + user + ", allowed: a range vector such as " +
                    (node.kind == PromqlNodeKind::selector && !node.name.empty() ? node.name : "metric") +
                    "[5m]");
        return push({});
    }
    if (node.kind == PromqlNodeKind::subquery)
        return subquery(node, function, node.step_ms,
                        [&] { return vector(*node.children[0], "a subquery"); });
    if (m_compiler.options().is_recorded(node.name)) {
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
    const std::int64_t history = history_before(node) + std::max<std::int64_t>(node.offset_ms, 0) + node.range_ms;
    const std::int32_t table = static_cast<std::int32_t>(m_program.words.size());
    bool distinct = true;
    for (const SelectedStream& s : selected) {
        const MetricFamily& family = m_compiler.catalog().families[static_cast<std::size_t>(s.family)];
        const std::int32_t stream = require_stream(node, s, history);
        const std::int32_t labels =
            m_table.intern(function == PromqlRangeFunction::last ? s.labels : *without_name(s.labels));
        m_program.words.insert(m_program.words.end(), {stream, labels});
        distinct = distinct && !std::binary_search(flow.labels.begin(), flow.labels.end(), labels);
        flow.labels = merged(flow.labels, {labels});
        const bool per_pod = family.scope == MetricScope::per_pod;
        const std::int64_t slots =
            per_pod ? m_compiler.catalog().workloads[static_cast<std::size_t>(s.workload)].pod_slots : 1;
        flow.cardinality += per_pod ? slots * m_compiler.options().pods_per_slot : slots;
        const std::int64_t window = std::min(node.range_ms, m_compiler.options().longest_history_ms);
        m_points = std::max(m_points, window / family.scrape_interval_ms + 3);
    }
    PromqlInstruction& op = emit(PromqlOp::range_select);
    op.function = static_cast<std::uint8_t>(function);
    op.table = table;
    op.count = static_cast<std::int32_t>(selected.size());
    op.range_ms = node.range_ms;
    op.offset_ms = node.offset_ms;
    op.at = node.at;
    op.at_ms = node.at_ms;
    op.check_duplicates = !distinct;
    return push(std::move(flow));
}

PromqlFlow PromqlCodeGenerator::subquery(const PromqlNode& node, PromqlRangeFunction function,
                                         std::int64_t step_ms, const std::function<PromqlFlow()>& body) {
    if (step_ms == 0) step_ms = m_compiler.options().default_subquery_step_ms;
    if (++m_subqueries > promql_subquery_limit)
        problem(node.column,
                "found more than " + std::to_string(promql_subquery_limit) + " subqueries inside each other");
    const std::int32_t begin = static_cast<std::int32_t>(m_program.instructions.size());
    emit(PromqlOp::subquery_begin);
    const std::int64_t outer_history = m_history_ms, outer_peak = m_peak_elements, base = m_elements;
    m_history_ms = history_before(node) + node.range_ms + std::max<std::int64_t>(node.offset_ms, 0);
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
    first.at = node.at;
    first.at_ms = node.at_ms;
    first.step_ms = step_ms;
    const std::int64_t series =
        inner.cardinality * std::min<std::int64_t>(steps, m_compiler.options().pods_per_slot);
    return push({false, mapping.labels, series});
}

}  // namespace windtunnel
