#include "policies/promql_codegen.hpp"

#include "policies/promql_functions.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

constexpr std::int64_t largest_workspace = std::int64_t{1} << 24;  // elements; 512 MiB in one trial

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

void PromqlCodeGenerator::warn_of_unknown_labels(const PromqlNode& node,
                                                 const std::vector<std::int32_t>& labels) {
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

Result<PromqlProgram> PromqlCodeGenerator::run(std::string_view query) {
    auto tree = parse_promql(query, m_where, m_path);
    if (!tree) return tree.take_problems();
    m_program.semantics = m_compiler.options().semantics;
    m_history_ms = m_compiler.options().delay_ms;
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
    m_program.cardinality = flow.is_scalar ? 1 : flow.cardinality;
    m_program.label_sets = m_table.sets();
    return std::move(m_program);
}

PromqlFlow PromqlCodeGenerator::expression(const PromqlNode& node) {
    switch (node.kind) {
        case PromqlNodeKind::number:
            emit(PromqlOp::number).number = node.number;
            return push({true, {}, 0});
        case PromqlNodeKind::string:
            problem(node.column, "found a string, allowed: a scalar or an instant vector");
            return push({true, {}, 0});
        case PromqlNodeKind::selector:
        case PromqlNodeKind::subquery:
            if (is_range(node)) {
                problem(node.column,
                        "found a range vector, allowed: an instant vector or a scalar; wrap it in a function "
                        "such as rate() or avg_over_time()");
                return push({});
            }
            return selector(node);
        case PromqlNodeKind::call:
            return call(node);
        case PromqlNodeKind::aggregation:
            return aggregation(node);
        case PromqlNodeKind::binary:
            return binary(node);
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
        problem(node.column,
                "found an instant vector in " + user + ", allowed: a scalar (scalar(...) makes one)");
    m_elements -= flow.cardinality;
}

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
        return give_up(
            "found a scalar beside and, or, unless, allowed: instant vectors (vector(0) makes one)");
    if (node.has_matching && (left.is_scalar || right.is_scalar))
        return give_up("found on() or ignoring() beside a scalar, allowed: only between instant vectors");
    if (left.is_scalar && right.is_scalar && compares && !node.returns_bool)
        return give_up("found a comparison of two scalars without bool, allowed: == bool, > bool ...");
    if (node.op == PromqlBinary::power) {
        const std::optional<double> exponent = literal(*node.children[1]);
        if (!exponent || !is_small_power(*exponent))
            return give_up(
                "found ^ with another exponent, allowed: a constant integer from -64 to 64, or 0.5");
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

PromqlFlow PromqlCodeGenerator::set_binary(const PromqlNode& node, const PromqlFlow& left,
                                           const PromqlFlow& right) {
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

PromqlFlow PromqlCodeGenerator::joined(const PromqlNode& node, const PromqlFlow& left,
                                       const PromqlFlow& right) {
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
            std::erase_if(labels,
                          [&](const auto& l) { return contains(node.labels, l.first) != node.matches_on; });
        if (partner != nullptr) {
            for (const std::string& name : node.include) {
                const auto found = partner->find(name);
                if (found == partner->end())
                    labels.erase(name);
                else
                    labels[name] = found->second;
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
        const LabelMapping mapping =
            map_labels(many.labels, [&](const LabelSet& l) { return result_labels(l, nullptr); });
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
                problem(node.column, "found the pod's label '" + name +
                                         "' in group_left/group_right, allowed: labels of the workload");
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
