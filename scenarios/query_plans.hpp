#pragma once
#include "policies/promql_compiler.hpp"
#include "scenarios/compiled_scenario.hpp"
#include "scenarios/metric_families.hpp"
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// A label name as Prometheus' service discovery writes a Kubernetes label's.
[[nodiscard]] std::string sanitized_label(const std::string& name);

/// Compiles all queries of a scenario and hands out their indices.
class Queries {
public:
    Queries(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
            CompiledScenario& out, Problems& errors, Problems& warnings);

    /// Index into BlueprintParts::queries; 0, with the reasons among the errors, when it cannot be compiled.
    /// `pods_of`: the workload whose pods the answer is looked at for; -1 = all of the answer counts.
    std::uint32_t add(const std::string& query, const SourcePosition& where, const std::string& path,
                      std::int32_t pods_of = -1);
    /// All names that a query can use, exposed ones first.
    [[nodiscard]] std::vector<std::string> series_names() const;
    /// The series that the queries read; once, after the last query.
    void finish();

private:
    PromqlCompiler make(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects);

    CompiledScenario& m_out;
    Problems& m_errors;
    Problems& m_warnings;
    ExposedMetrics m_exposed;
    PromqlCompiler m_compiler;
};

}  // namespace windtunnel
