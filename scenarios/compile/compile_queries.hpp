#pragma once
#include "policies/promql_compiler.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/compile/metric_families.hpp"
#include "scenarios/scenario.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// Compiles all queries of a scenario against the series that its cluster exposes, and hands out their indices in the
/// blueprint.
class QueryCompiler {
public:
    /// `objects`: the workloads at their indices in the blueprint, whose WorkloadPlans are there already.
    QueryCompiler(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects, CompiledScenario& out,
                  Problems& errors, Problems& warnings);

    /// Problems and warnings of the query go where the scenario's do. `pods_of`: the workload whose pods the answer
    /// is looked at for; -1 = all of the answer counts.
    std::uint32_t add(const std::string& query, const SourcePosition& where, const std::string& path,
                      std::int32_t pods_of = -1);
    /// Of a query that the run can do without: compiles it on trial, as if it were the last one.
    struct Attempt {
        Result<PromqlProgram> program;
        std::int64_t more_samples = 0;  ///< by which the sample store would grow
    };
    [[nodiscard]] Attempt attempt(const std::string& query, const SourcePosition& where, const std::string& path) const;
    /// Takes such a query in. It has compiled before.
    std::uint32_t take(const std::string& query, const SourcePosition& where, const std::string& path);

    /// All names that a query can use, exposed ones first.
    [[nodiscard]] std::vector<std::string> series_names() const;

    /// The series that the queries read; once, after the last query.
    void finish();

private:
    PromqlCompiler make(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects);
    void add_endpoints(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects);
    std::uint32_t place(const PromqlProgram& program);

    CompiledScenario& m_out;
    Problems& m_errors;
    Problems& m_warnings;
    ExposedMetrics m_exposed;
    PromqlCompiler m_compiler;
};

}  // namespace windtunnel
