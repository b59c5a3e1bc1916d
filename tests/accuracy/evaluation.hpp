#pragma once
#include "reports/bench_prediction.hpp"
#include "tests/accuracy/measured_case.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel::accuracy {

/// One measured number beside its prediction.
struct Comparison {
    std::string id, source;
    std::string family, group, gpu, model, load;  ///< what tables group by
    std::string metric;                           ///< "mean_ttft", "kv_blocks", ...
    double measured = 0, predicted = 0;
    std::string not_counted;

    [[nodiscard]] double percent() const { return 100 * (predicted / measured - 1); }
};

/// A run's "mean_ttft", "p99_tpot" and the like; nothing where the run has none.
[[nodiscard]] std::optional<double> value_of(const BenchReport& report, const std::string& metric);

/// Runs every case through the prediction that `windtunnel bench` makes. What cannot be predicted stands in
/// `problems`, a line each.
[[nodiscard]] std::vector<Comparison> compare(const std::vector<MeasuredCase>& cases,
                                              std::vector<std::string>& problems);
/// The start-ups of kv_capacity_cases.json whose arguments are complete, through `windtunnel kv`'s
/// computation.
[[nodiscard]] std::vector<Comparison> compare_kv_capacity(const std::filesystem::path& data,
                                                          std::vector<std::string>& problems);

/// Measured stages of starts (`data`/coldstart) beside default_cold_start's: weights by storage and loader, the engine's
/// stages as shipped and with the host known by its trace. The rates were fitted to the loads that are public.
[[nodiscard]] std::vector<Comparison> compare_cold_starts(const std::filesystem::path& data,
                                                          std::vector<std::string>& problems);

/// How far off a set of comparisons of one metric is, in percent.
struct ErrorSummary {
    std::string name, metric;
    std::size_t count = 0;
    double median_absolute = 0, median = 0, p90_absolute = 0, worst = 0;
};
enum class GroupBy { family, group, gpu, model, load };
/// One summary per group and metric, of what counts.
[[nodiscard]] std::vector<ErrorSummary> summaries(const std::vector<Comparison>& all, GroupBy by);

/// The page for a browser: tables, plots of predicted against measured, every number. Complete in itself.
[[nodiscard]] std::string accuracy_page(const std::vector<Comparison>& all,
                                        const std::vector<std::string>& problems);
/// The tables for docs/.
[[nodiscard]] std::string accuracy_markdown(const std::vector<Comparison>& all,
                                            const std::vector<std::string>& problems);

}  // namespace windtunnel::accuracy
