// label_replace() and label_join(): labels are known when a query is compiled, so both become tables.
#include "policies/promql_codegen.hpp"

#include <algorithm>
#include <cctype>
#include <regex>

namespace windtunnel {
namespace {

/// The replacement with $1 and ${1} filled in; an unknown group is empty, as in Go.
std::string expanded(const std::string& replacement, const std::smatch& found) {
    std::string out;
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        if (replacement[i] != '$' || i + 1 == replacement.size()) {
            out += replacement[i];
            continue;
        }
        const bool braces = replacement[i + 1] == '{';
        std::size_t at = i + (braces ? 2 : 1), group = 0, digits = 0;
        if (replacement[at] == '$' && !braces) {
            out += '$';
            ++i;
            continue;
        }
        for (; at < replacement.size() && std::isdigit(static_cast<unsigned char>(replacement[at])) != 0 && digits < 4; ++at, ++digits)
            group = group * 10 + static_cast<std::size_t>(replacement[at] - '0');
        if (digits == 0) {
            out += replacement[i];
            continue;
        }
        if (group < found.size()) out += found[group].str();
        i = braces ? at : at - 1;
    }
    return out;
}

void set_label(LabelSet& labels, const std::string& name, const std::string& value) {
    if (value.empty())
        labels.erase(name);
    else
        labels[name] = value;
}

}  // namespace

bool is_label_name(const std::string& name) {
    return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
           std::all_of(name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
}

PromqlFlow PromqlCodeGenerator::relabelled(PromqlFlow flow, const Transform& transform) {
    const LabelMapping mapping = map_labels(flow.labels, transform);
    PromqlInstruction& op = emit(PromqlOp::relabel);
    op.table = mapping.table;
    op.check_duplicates = true;
    flow.labels = mapping.labels;
    return flow;
}

PromqlFlow PromqlCodeGenerator::label_replace(const PromqlNode& node) {
    if (!argument_count(node, 5, 5)) return push({});
    for (std::size_t i = 1; i < 5; ++i) {
        if (node.children[i]->kind == PromqlNodeKind::string) continue;
        problem(node.children[i]->column, "found no string, allowed: label_replace(v, \"to\", \"$1\", \"from\", \"(.*)\")");
        return push({});
    }
    const std::string &to = node.children[1]->name, &replacement = node.children[2]->name,
                      &from = node.children[3]->name, &pattern = node.children[4]->name;
    std::regex regex;
    try {
        regex = std::regex(pattern);
    } catch (const std::regex_error&) {
        problem(node.children[4]->column, "found the pattern \"" + pattern + "\", allowed: a regular expression");
        return push({});
    }
    if (!is_label_name(to)) {
        problem(node.children[1]->column, "found the label name \"" + to + "\", allowed: letters, digits and _");
        return push({});
    }
    PromqlFlow flow = vector(*node.children[0], "label_replace()");
    bool tells_pods_apart = false;
    flow = relabelled(std::move(flow), [&](const LabelSet& before) -> std::optional<LabelSet> {
        LabelSet labels = before;
        const auto source = before.find(from);
        const std::string value = source == before.end() ? "" : source->second;
        std::smatch found;
        if (value != pod_label_placeholder) {
            if (std::regex_match(value, found, regex)) set_label(labels, to, expanded(replacement, found));
            return labels;
        }
        const bool whole = pattern == "(.*)" || pattern == "(.+)";
        if (whole && (replacement == "$1" || replacement == "${1}" || replacement == "$0")) {
            labels[to] = pod_label_placeholder;
            return labels;
        }
        // What all of a workload's pods give alike, such as the name of their Deployment, is the workload's.
        std::set<std::string> results;
        for (const MetricWorkload& workload : m_compiler.catalog().workloads) {
            const auto examples = workload.pod_labels.find(from);
            const auto name = before.find("deployment"), own = workload.labels.find("deployment");
            const bool same = name != before.end() && own != workload.labels.end() && name->second == own->second;
            if (examples == workload.pod_labels.end() || !(same || m_compiler.catalog().workloads.size() == 1)) continue;
            for (const std::string& example : examples->second)
                results.insert(std::regex_match(example, found, regex) ? expanded(replacement, found) : "\x02");
        }
        if (results.size() != 1) tells_pods_apart = true;
        else if (*results.begin() != "\x02") set_label(labels, to, *results.begin());
        return labels;
    });
    if (tells_pods_apart)
        problem(node.column, "found label_replace() of '" + from + "' whose result differs between pods of a workload, allowed: one that "
                             "copies the label (\"(.*)\", \"$1\") or gives all of a workload's pods the same");
    return flow;
}

PromqlFlow PromqlCodeGenerator::label_join(const PromqlNode& node) {
    if (!argument_count(node, 3, 64)) return push({});
    for (std::size_t i = 1; i < node.children.size(); ++i) {
        if (node.children[i]->kind == PromqlNodeKind::string) continue;
        problem(node.children[i]->column, "found no string, allowed: label_join(v, \"to\", \",\", \"a\", \"b\")");
        return push({});
    }
    const std::string &to = node.children[1]->name, &between = node.children[2]->name;
    if (!is_label_name(to)) {
        problem(node.children[1]->column, "found the label name \"" + to + "\", allowed: letters, digits and _");
        return push({});
    }
    PromqlFlow flow = vector(*node.children[0], "label_join()");
    return relabelled(std::move(flow), [&](const LabelSet& before) -> std::optional<LabelSet> {
        LabelSet labels = before;
        std::string joined;
        bool per_pod = false;
        for (std::size_t i = 3; i < node.children.size(); ++i) {
            const auto found = before.find(node.children[i]->name);
            const std::string value = found == before.end() ? "" : found->second;
            per_pod = per_pod || value == pod_label_placeholder;
            joined += (i > 3 ? between : "") + value;
        }
        set_label(labels, to, per_pod ? pod_label_placeholder : joined);
        return labels;
    });
}

}  // namespace windtunnel
