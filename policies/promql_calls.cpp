// Functions and aggregations of the PromQL compiler.
#include "policies/promql_codegen.hpp"

#include <algorithm>
#include <cstdlib>
#include <numbers>

namespace windtunnel {
namespace {

const std::map<std::string, PromqlRangeFunction>& range_functions() {
    using F = PromqlRangeFunction;
    static const std::map<std::string, F> table = {{"rate", F::rate},
                                                   {"increase", F::increase},
                                                   {"delta", F::delta},
                                                   {"irate", F::irate},
                                                   {"idelta", F::idelta},
                                                   {"deriv", F::deriv},
                                                   {"predict_linear", F::predict_linear},
                                                   {"avg_over_time", F::avg},
                                                   {"min_over_time", F::min},
                                                   {"max_over_time", F::max},
                                                   {"sum_over_time", F::sum},
                                                   {"count_over_time", F::count},
                                                   {"last_over_time", F::last},
                                                   {"present_over_time", F::present},
                                                   {"stddev_over_time", F::stddev},
                                                   {"stdvar_over_time", F::stdvar},
                                                   {"quantile_over_time", F::quantile},
                                                   {"changes", F::changes},
                                                   {"resets", F::resets}};
    return table;
}

const std::map<std::string, PromqlMap>& map_functions() {
    using M = PromqlMap;
    static const std::map<std::string, M> table = {{"abs", M::abs},
                                                   {"ceil", M::ceil},
                                                   {"floor", M::floor},
                                                   {"round", M::round},
                                                   {"sqrt", M::sqrt},
                                                   {"sgn", M::sgn},
                                                   {"clamp", M::clamp},
                                                   {"clamp_min", M::clamp_min},
                                                   {"clamp_max", M::clamp_max},
                                                   {"timestamp", M::timestamp},
                                                   {"minute", M::minute},
                                                   {"hour", M::hour},
                                                   {"day_of_week", M::day_of_week},
                                                   {"day_of_month", M::day_of_month},
                                                   {"days_in_month", M::days_in_month},
                                                   {"month", M::month},
                                                   {"year", M::year},
                                                   {"day_of_year", M::day_of_year}};
    return table;
}

const std::map<std::string, PromqlAggregate>& aggregates() {
    using A = PromqlAggregate;
    static const std::map<std::string, A> table = {
        {"sum", A::sum},           {"avg", A::avg},     {"min", A::min},        {"max", A::max},
        {"count", A::count},       {"group", A::group}, {"stddev", A::stddev},  {"stdvar", A::stdvar},
        {"quantile", A::quantile}, {"topk", A::topk},   {"bottomk", A::bottomk},
        {"count_values", A::count_values}};
    return table;
}

/// Functions of Prometheus that are refused, and why.
const std::map<std::string, std::string>& refused_functions() {
    static const std::string transcendental =
        "needs a transcendental function, whose last bit differs between processors, so it cannot be used in "
        "a trial";
    static const std::string native =
        "is for native histograms, which are not simulated; use the _bucket series";
    static const std::map<std::string, std::string> table = {
        {"exp", transcendental},
        {"ln", transcendental},
        {"log2", transcendental},
        {"log10", transcendental},
        {"sin", transcendental},
        {"cos", transcendental},
        {"tan", transcendental},
        {"asin", transcendental},
        {"acos", transcendental},
        {"atan", transcendental},
        {"sinh", transcendental},
        {"cosh", transcendental},
        {"tanh", transcendental},
        {"asinh", transcendental},
        {"acosh", transcendental},
        {"atanh", transcendental},
        {"histogram_count", native},
        {"histogram_sum", native},
        {"histogram_avg", native},
        {"histogram_fraction", native},
        {"histogram_stddev", native},
        {"histogram_stdvar", native},
        {"holt_winters", "is not supported; predict_linear() and deriv() are"},
        {"double_exponential_smoothing", "is not supported; predict_linear() and deriv() are"}};
    return table;
}

}  // namespace

bool PromqlCodeGenerator::argument_count(const PromqlNode& node, std::size_t least, std::size_t most) {
    const std::size_t given = node.children.size();
    if (given >= least && given <= most) return true;
    const std::string allowed =
        least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
    problem(node.column,
            "found " + std::to_string(given) + " arguments of " + node.name + "(), allowed: " + allowed);
    return false;
}

PromqlFlow PromqlCodeGenerator::call(const PromqlNode& node) {
    if (const auto f = range_functions().find(node.name); f != range_functions().end())
        return range_call(node, f->second);
    if (const auto f = map_functions().find(node.name); f != map_functions().end())
        return map_call(node, f->second);
    const std::string user = node.name + "()";
    if (node.name == "time" || node.name == "pi") {
        if (!argument_count(node, 0, 0)) return push({true, {}, 0});
        PromqlInstruction& op = emit(node.name == "time" ? PromqlOp::time : PromqlOp::number);
        op.number = std::numbers::pi;
        return push({true, {}, 0});
    }
    if (node.name == "absent" || node.name == "absent_over_time") return absent(node, node.name != "absent");
    if (node.name == "histogram_quantile") return histogram_quantile(node);
    if (node.name == "label_replace") return label_replace(node);
    if (node.name == "label_join") return label_join(node);
    if (node.name == "scalar") {
        if (!argument_count(node, 1, 1)) return push({true, {}, 0});
        const PromqlFlow flow = vector(*node.children[0], user);
        pop(flow);
        emit(PromqlOp::scalar_of_vector);
        return push({true, {}, 0});
    }
    if (node.name == "vector") {
        if (!argument_count(node, 1, 1)) return push({});
        scalar(*node.children[0], user);
        --m_stack;
        const std::int32_t labels = m_table.intern({});
        emit(PromqlOp::vector_of_scalar).target = labels;
        return push({false, {labels}, 1});
    }
    if (node.name == "sort" || node.name == "sort_desc") {
        if (!argument_count(node, 1, 1)) return push({});
        PromqlFlow flow = vector(*node.children[0], user);
        emit(PromqlOp::sort).swap = node.name == "sort_desc";
        return flow;
    }
    if (const auto refused = refused_functions().find(node.name); refused != refused_functions().end()) {
        problem(node.column, "found " + user + ", which " + refused->second);
        return push({});
    }
    std::vector<std::string> names = {"time",   "pi",     "absent", "absent_over_time", "histogram_quantile",
                                      "scalar", "vector", "sort",   "sort_desc", "label_replace", "label_join"};
    for (const auto& [name, function] : range_functions()) names.push_back(name);
    for (const auto& [name, function] : map_functions()) names.push_back(name);
    for (const auto& [name, function] : aggregates()) names.push_back(name);
    problem(node.column, "found the function " + user + ", which PromQL does not have; did you mean " +
                             nearest_name(node.name, names) + "()?");
    return push({});
}

PromqlFlow PromqlCodeGenerator::range_call(const PromqlNode& node, PromqlRangeFunction function) {
    const bool first = function == PromqlRangeFunction::quantile,
               second = function == PromqlRangeFunction::predict_linear;
    const std::size_t count = first || second ? 2 : 1;
    if (!argument_count(node, count, count)) return push({});
    if (first || second) scalar(*node.children[second ? 1 : 0], node.name + "()");
    PromqlFlow flow = range(*node.children[first ? 1 : 0], node.name + "()", function);
    if (first || second) --m_stack;
    return flow;
}

/// A function of every value of the vector on top, which drops the metric's name.
PromqlFlow PromqlCodeGenerator::map_top(PromqlFlow flow, PromqlMap function, bool on_selector) {
    const LabelMapping mapping = drop_name(flow.labels);
    PromqlInstruction& op = emit(PromqlOp::map_values);
    if (function == PromqlMap::timestamp && !on_selector) function = PromqlMap::evaluation_time;
    op.function = static_cast<std::uint8_t>(function);
    op.table = mapping.table;
    op.check_duplicates = !mapping.is_injective;
    flow.labels = mapping.labels;
    return flow;
}

PromqlFlow PromqlCodeGenerator::map_call(const PromqlNode& node, PromqlMap function) {
    const std::string user = node.name + "()";
    const bool calendar = function >= PromqlMap::minute;
    std::size_t least = 1, most = 1;
    if (function == PromqlMap::clamp) least = most = 3;
    if (function == PromqlMap::clamp_min || function == PromqlMap::clamp_max) least = most = 2;
    if (function == PromqlMap::round) most = 2;
    if (calendar) least = 0;
    if (!argument_count(node, least, most)) return push({});
    std::int32_t parameters = 0;
    for (std::size_t i = 1; i < node.children.size(); ++i, ++parameters) scalar(*node.children[i], user);
    if (function == PromqlMap::round && parameters == 0) {
        emit(PromqlOp::number).number = 1;
        (void)push({true, {}, 0});
        parameters = 1;
    }
    PromqlFlow flow;
    if (node.children.empty()) {  // hour() is hour(vector(time()))
        emit(PromqlOp::time);
        const std::int32_t labels = m_table.intern({});
        emit(PromqlOp::vector_of_scalar).target = labels;
        flow = push({false, {labels}, 1});
    } else {
        flow = vector(*node.children[0], user);
    }
    m_stack -= parameters;
    const bool on_selector = !node.children.empty() && node.children[0]->kind == PromqlNodeKind::selector &&
                             !m_compiler.options().is_recorded(node.children[0]->name);
    return map_top(std::move(flow), function, on_selector);
}

/// absent(): the answer carries the labels that the selector's equality matchers fix.
PromqlFlow PromqlCodeGenerator::absent(const PromqlNode& node, bool over_time) {
    if (!argument_count(node, 1, 1)) return push({});
    const PromqlNode& inner = *node.children[0];
    LabelSet labels;
    std::set<std::string> seen;
    for (const PromqlMatcher& m : inner.matchers) {
        if (m.label == "__name__") continue;
        const bool repeated = !seen.insert(m.label).second;
        if (m.type == PromqlMatch::equal && !repeated && !m.value.empty())
            labels[m.label] = m.value;
        else
            labels.erase(m.label);
    }
    const PromqlFlow flow = over_time ? range(inner, "absent_over_time()", PromqlRangeFunction::present)
                                      : vector(inner, "absent()");
    m_program.absent_of_nothing = m_program.absent_of_nothing || flow.cardinality == 0;
    const std::int32_t id = m_table.intern(labels);
    emit(PromqlOp::absent).target = id;
    pop(flow);
    return push({false, {id}, 1});
}

PromqlFlow PromqlCodeGenerator::histogram_quantile(const PromqlNode& node) {
    if (!argument_count(node, 2, 2)) return push({});
    scalar(*node.children[0], "histogram_quantile()");
    PromqlFlow flow = vector(*node.children[1], "histogram_quantile()");
    const std::int32_t bounds = static_cast<std::int32_t>(m_program.numbers.size());
    m_program.numbers.resize(m_program.numbers.size() +
                             (flow.labels.empty() ? 0 : static_cast<std::size_t>(flow.labels.back()) + 1));
    bool any = flow.labels.empty();
    for (const std::int32_t id : flow.labels) {
        const auto le = m_table.at(id).find("le");
        if (le == m_table.at(id).end()) continue;
        any = true;
        m_program.numbers[static_cast<std::size_t>(bounds + id)] = std::strtod(le->second.c_str(), nullptr);
    }
    if (!any)
        warning(node.column,
                "found histogram_quantile() of series without the label 'le', so it is always empty; "
                "keep it in the grouping: sum by (le) (rate(..._bucket[5m]))");
    const LabelMapping mapping =
        map_labels(flow.labels, [](const LabelSet& before) -> std::optional<LabelSet> {
            if (before.count("le") == 0) return std::nullopt;
            LabelSet labels = before;
            labels.erase("le");
            labels.erase("__name__");
            return labels;
        });
    pop(flow);
    --m_stack;
    PromqlInstruction& op = emit(PromqlOp::histogram_quantile);
    op.table = mapping.table;
    op.target = bounds;
    flow.labels = mapping.labels;
    return push(std::move(flow));
}

PromqlFlow PromqlCodeGenerator::aggregation(const PromqlNode& node) {
    const auto known = aggregates().find(node.name);
    if (known == aggregates().end()) {
        problem(node.column, "found " + node.name +
                                 "(), allowed: sum, avg, min, max, count, group, stddev, stdvar, "
                                 "quantile, topk, bottomk, count_values");
        return push({});
    }
    const PromqlAggregate function = known->second;
    const bool selects = function == PromqlAggregate::topk || function == PromqlAggregate::bottomk;
    const bool by_value = function == PromqlAggregate::count_values;
    const bool has_parameter = selects || by_value || function == PromqlAggregate::quantile;
    const std::size_t count = has_parameter ? 2 : 1;
    if (!argument_count(node, count, count)) return push({});
    std::string value_label;
    if (by_value) {
        value_label = node.children[0]->kind == PromqlNodeKind::string ? node.children[0]->name : "";
        if (!is_label_name(value_label)) {
            problem(node.children[0]->column, "found no label name, allowed: count_values(\"version\", v)");
            return push({});
        }
    } else if (has_parameter) {
        scalar(*node.children[0], node.name + "()");
    }
    PromqlFlow flow = vector(*node.children[count - 1], node.name + "()");
    warn_of_unknown_labels(node, flow.labels);
    bool by_pod = false;
    const LabelMapping mapping =
        map_labels(flow.labels, [&](const LabelSet& before) -> std::optional<LabelSet> {
            LabelSet labels;
            for (const auto& [name, value] : before) {
                const bool named =
                    std::find(node.labels.begin(), node.labels.end(), name) != node.labels.end();
                if (node.groups_without ? (!named && name != "__name__") : named) labels[name] = value;
            }
            if (by_value) {
                labels.erase(value_label);
                for (const auto& [name, value] : labels) by_pod = by_pod || value == pod_label_placeholder;
                labels[value_label] = pod_label_placeholder;
            }
            return labels;
        });
    PromqlInstruction& op = emit(PromqlOp::aggregate);
    op.function = static_cast<std::uint8_t>(function);
    op.table = mapping.table;
    if (by_pod) problem(node.column, "found count_values() by pod, allowed: by labels that a pod does not have alone");
    if (has_parameter && !by_value) --m_stack;
    if (selects) {
        m_peak_elements = std::max(m_peak_elements, m_elements + flow.cardinality);  // its scratch
        return flow;
    }
    pop(flow);
    flow.labels = mapping.labels;
    if (!mapping.keeps_pods)
        flow.cardinality =
            std::min<std::int64_t>(flow.cardinality, static_cast<std::int64_t>(mapping.labels.size()));
    return push(std::move(flow));
}

}  // namespace windtunnel
