#pragma once
#include "reports/results.hpp"
#include "scenarios/compile/compiled_scenario.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// One part of the bill: what a pool's nodes did for a workload.
struct CostRow {
    std::string pool, capacity_type, instance_type;
    std::string workload, name_space, model;  ///< "" = room that no pod took
    std::string tenant;                       ///< whose; "" = nobody's own, so everybody's
    std::string use;                          ///< busy, idle, starting, draining, lost, unused, other
    std::int64_t micro_usd = 0;               ///< over the span; mean of the trials
    std::int64_t monthly_micro_usd = 0;       ///< the same over 730 hours
};

/// The bill of a run in parts that add up to it, to the micro-dollar.
struct CostBreakdown {
    std::string scenario, hash;
    std::size_t trials = 0;
    double span_s = 0;
    std::uint64_t output_tokens = 0;  ///< of completed requests; sum over the trials
    std::vector<CostRow> rows;
    bool complete = true;

    [[nodiscard]] std::int64_t micro_usd() const;
    [[nodiscard]] std::int64_t monthly_micro_usd() const;
};

/// `total` in whole parts that are to each other as the weights, and add up to it: rounded down, what is left goes to
/// the largest remainders, the first ones first (Hamilton's method). Weights are not negative.
[[nodiscard]] std::vector<std::int64_t> apportioned(std::int64_t total, const std::vector<double>& weights);

/// What a workload's busy time cost goes to the tenants whose requests it worked for, by their work
/// (models/request_work.hpp) in that trial. Its other time is its own tenant's, if its pods are labelled with one. Of a
/// workload, the tenants past the `tenants_shown` with the most work stand together.
[[nodiscard]] CostBreakdown cost_breakdown(const RunResults& results);
inline constexpr std::size_t tenants_shown = 200;

/// The same with nobody's part shared out among the tenants, by what they have of the same workload, or else of the
/// same pool, or else of all. Without tenants it stays as it is.
[[nodiscard]] CostBreakdown with_idle_shared(CostBreakdown breakdown);

/// results/v1's `cost_breakdown`, and back from a file.
[[nodiscard]] nlohmann::ordered_json cost_rows_json(const CostBreakdown& breakdown);
[[nodiscard]] Result<CostBreakdown> read_cost_breakdown(const std::string& results_file);

/// What a cost tree may be grouped by, in the order of the branches.
[[nodiscard]] const std::vector<std::string>& cost_dimensions();

/// A tree of totals with the share of each branch, uses at the end. `by` holds cost_dimensions().
[[nodiscard]] std::string cost_table(const CostBreakdown& breakdown, const std::vector<std::string>& by, bool coloured);
[[nodiscard]] std::string cost_json(const CostBreakdown& breakdown, const std::vector<std::string>& by);
/// One line per group of `by`.
[[nodiscard]] std::string cost_csv(const CostBreakdown& breakdown, const std::vector<std::string>& by);

}  // namespace windtunnel
