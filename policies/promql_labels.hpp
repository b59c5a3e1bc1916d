#pragma once
#include "models/problem.hpp"
#include "policies/metric_catalog.hpp"
#include "policies/promql_parser.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace windtunnel {

/// The value that stands in a label set for "whatever this pod's is"; which pod, the element itself says.
inline const std::string pod_label_placeholder = "\x01";

/// The label sets of one query, as small integers. All that can appear in any of its intermediate results
/// is known when it is compiled, so grouping and matching become tables from integers to integers.
class LabelSetTable {
public:
    std::int32_t intern(const LabelSet& labels);
    [[nodiscard]] const LabelSet& at(std::int32_t id) const { return m_sets[static_cast<std::size_t>(id)]; }
    [[nodiscard]] bool names_pod(std::int32_t id) const;
    [[nodiscard]] const std::vector<LabelSet>& sets() const { return m_sets; }

private:
    std::vector<LabelSet> m_sets;
    std::map<LabelSet, std::int32_t> m_ids;
};

/// The labels of a family's series of a workload (nullptr for global ones), without the family's own dimension.
[[nodiscard]] LabelSet labels_of_series(const MetricFamily& family, const MetricWorkload* workload);

/// Whether a matcher accepts the series of a workload.
enum class LabelVerdict : std::uint8_t {
    accepted,
    rejected,
    depends_on_pod,  ///< it tells pods of one workload apart, which cannot be decided before a trial
    bad_pattern,     ///< not a regular expression
};

/// Judges a matcher against a label set. Regular expressions are anchored on both sides. For a label with a
/// value per pod, a pattern decides by workload: `chat-.*` accepts every pod of the workload `chat` and no
/// other. `workload` may be null (a series of no workload).
[[nodiscard]] LabelVerdict judge(const PromqlMatcher& matcher, const LabelSet& labels,
                                 const MetricWorkload* workload);

/// Whether a matcher accepts the empty value, as a label has that is not there.
[[nodiscard]] bool accepts_empty(const PromqlMatcher& matcher);

/// The candidate that is most like `name` (edit distance); "" when there is none.
[[nodiscard]] std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace windtunnel
