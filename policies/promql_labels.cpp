// g++ 12's <regex> under the address sanitizer sets off this warning by itself.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "policies/promql_labels.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <regex>

namespace windtunnel {
namespace {

bool is_regex(PromqlMatch type) { return type == PromqlMatch::regex || type == PromqlMatch::not_regex; }
bool is_negative(PromqlMatch type) {
    return type == PromqlMatch::not_equal || type == PromqlMatch::not_regex;
}

/// Tests values against one matcher; the expression is compiled once.
class ValueTest {
public:
    explicit ValueTest(const PromqlMatcher& matcher) : m_matcher(matcher) {
        if (!is_regex(matcher.type)) return;
        std::string_view pattern = matcher.value;
        auto flags = std::regex::ECMAScript;
        if (pattern.substr(0, 4) == "(?i)") {
            flags |= std::regex::icase;
            pattern.remove_prefix(4);
        }
        try {
            m_regex.emplace(std::string(pattern), flags);
        } catch (const std::regex_error&) {
            m_is_bad = true;
        }
    }
    bool is_bad() const { return m_is_bad; }
    bool accepts(const std::string& value) const {
        if (m_is_bad) return false;
        const bool same =
            is_regex(m_matcher.type) ? std::regex_match(value, *m_regex) : value == m_matcher.value;
        return same != is_negative(m_matcher.type);
    }

private:
    const PromqlMatcher& m_matcher;
    std::optional<std::regex> m_regex;
    bool m_is_bad = false;
};

/// What every match of the alternative starts with, as far as it is spelt out.
std::string literal_start(std::string_view pattern) {
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        char c = pattern[i];
        if (c == '\\' && i + 1 < pattern.size() &&
            !std::isalnum(static_cast<unsigned char>(pattern[i + 1]))) {
            out += pattern[++i];
            continue;
        }
        if (c == '*' || c == '?' || c == '{') {
            if (!out.empty()) out.pop_back();  // the character before it is optional
            return out;
        }
        if (std::string_view("\\.+[]()|^$").find(c) != std::string_view::npos) return out;
        out += c;
    }
    return out;
}

/// Whether `rest` can be how a pod's own part of its name goes on: an ordinal, or the hash of a template (at
/// least six of the letters and digits that Kubernetes' SafeEncodeString uses, which leaves out vowels, 0, 1
/// and 3: apimachinery/pkg/util/rand, 2024). Otherwise it is more of another workload's name.
bool may_name_a_pod(std::string_view rest) {
    const std::string_view segment = rest.substr(0, rest.find('-'));
    if (segment.find_first_not_of("0123456789") == std::string_view::npos) return true;
    if (segment.find_first_not_of("bcdfghjklmnpqrstvwxz2456789") != std::string_view::npos) return false;
    return segment.size() == rest.size() || segment.size() >= 6;
}

/// True when some alternative of the pattern starts with the workload's pod prefix and then spells out more:
/// it means particular pods.
bool spells_out_a_pod(const std::string& pattern, const std::string& prefix) {
    std::vector<std::string_view> alternatives;
    int depth = 0;
    std::size_t start = 0;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\')
            ++i;
        else if (pattern[i] == '(')
            ++depth;
        else if (pattern[i] == ')')
            --depth;
        else if (pattern[i] == '|' && depth == 0) {
            alternatives.push_back(std::string_view(pattern).substr(start, i - start));
            start = i + 1;
        }
    }
    alternatives.push_back(std::string_view(pattern).substr(start));
    return std::any_of(alternatives.begin(), alternatives.end(), [&](std::string_view alternative) {
        const std::string literal = literal_start(alternative);
        return literal.size() > prefix.size() && literal.compare(0, prefix.size(), prefix) == 0 &&
               may_name_a_pod(std::string_view(literal).substr(prefix.size()));
    });
}

LabelVerdict judge_pod_label(const PromqlMatcher& matcher, const ValueTest& test,
                             const MetricWorkload& workload) {
    const auto found = workload.pod_labels.find(matcher.label);
    if (found == workload.pod_labels.end()) return LabelVerdict::depends_on_pod;
    if (!is_regex(matcher.type))
        return matcher.value.empty()
                   ? (is_negative(matcher.type) ? LabelVerdict::accepted : LabelVerdict::rejected)
                   : LabelVerdict::depends_on_pod;
    const auto& examples = found->second;
    const auto accepted = std::count_if(examples.begin(), examples.end(),
                                        [&](const std::string& e) { return test.accepts(e); });
    const bool all = accepted == static_cast<std::ptrdiff_t>(examples.size());
    if (!all && accepted > 0) return LabelVerdict::depends_on_pod;
    const bool matches = all != is_negative(matcher.type);
    if (!matches && matcher.label == "pod" && spells_out_a_pod(matcher.value, workload.pod_name_prefix))
        return LabelVerdict::depends_on_pod;
    return all ? LabelVerdict::accepted : LabelVerdict::rejected;
}

}  // namespace

std::int32_t LabelSetTable::intern(const LabelSet& labels) {
    const auto [place, is_new] = m_ids.emplace(labels, static_cast<std::int32_t>(m_sets.size()));
    if (is_new) m_sets.push_back(labels);
    return place->second;
}

LabelSet labels_of_series(const MetricFamily& family, const MetricWorkload* workload) {
    LabelSet out;
    if (workload != nullptr && family.own_endpoint && workload->endpoint_labels) {
        out = *workload->endpoint_labels;
        if (family.name == "up") out.erase("model_name");  // Prometheus' own: it has no labels but the target's
    } else if (workload != nullptr) {
        out = workload->labels;
        if (family.scope == MetricScope::per_pod)
            for (const auto& label : workload->pod_labels) out[label.first] = pod_label_placeholder;
        for (const std::string& hidden : family.hidden_labels) out.erase(hidden);
    }
    for (const auto& [name, value] : family.constant_labels) out[name] = value;
    out["__name__"] = family.name;
    return out;
}

bool LabelSetTable::names_pod(std::int32_t id) const {
    const LabelSet& labels = at(id);
    return std::any_of(labels.begin(), labels.end(),
                       [](const auto& l) { return l.second == pod_label_placeholder; });
}

LabelVerdict judge(const PromqlMatcher& matcher, const LabelSet& labels, const MetricWorkload* workload) {
    const ValueTest test(matcher);
    if (test.is_bad()) return LabelVerdict::bad_pattern;
    const auto found = labels.find(matcher.label);
    const std::string value = found == labels.end() ? "" : found->second;
    if (value == pod_label_placeholder) {
        if (workload == nullptr) {
            const bool any = is_regex(matcher.type) && !is_negative(matcher.type) &&
                             (matcher.value == ".*" || matcher.value == ".+");
            return any ? LabelVerdict::accepted : LabelVerdict::depends_on_pod;
        }
        return judge_pod_label(matcher, test, *workload);
    }
    return test.accepts(value) ? LabelVerdict::accepted : LabelVerdict::rejected;
}

bool accepts_empty(const PromqlMatcher& matcher) { return ValueTest(matcher).accepts(""); }

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
    std::string best;
    std::size_t best_distance = SIZE_MAX;
    for (const std::string& candidate : candidates) {
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 1; i <= name.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i;
            for (std::size_t j = 1; j <= candidate.size(); ++j) {
                const std::size_t replaced = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

}  // namespace windtunnel
