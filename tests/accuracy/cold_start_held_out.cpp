#include "tests/accuracy/cold_start_held_out.hpp"

#include "models/embedded_model_data.hpp"
#include "tests/accuracy/least_squares.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace windtunnel::accuracy {
namespace {

using nlohmann::json;

constexpr const char* slow_card = "t4-16gb";

/// A stage that costs `times` x (fixed + by_layer x layers), on a slow card so many times as long.
struct Point {
    std::string source;
    double times = 1, layers = 0, measured = 0;
    bool slow = false;
};
/// Parameters of such a stage.
struct Law {
    double fixed = 0, by_layer = 0, slow = 1;

    [[nodiscard]] double operator()(const Point& p) const { return p.times * (fixed + by_layer * p.layers) * (p.slow ? slow : 1); }
};

/// The facts of a stage of an engine, as shipped: which they are, and what they say.
struct Fact {
    std::string name;
    Law shipped;
};
Fact fact_of(const std::string& stage, const KvCapacity& c) {
    static const json engine = json::parse(embedded_model_data("cold_start.json")).at("engine");
    const bool v1 = c.profile.generation == EngineGeneration::v1;
    const std::string name = stage != "graph_capture" ? stage : !v1 ? "graph_capture_v0" : c.profile.version.minor < 10 ? "graph_capture_before_0_10" : "graph_capture";
    const json& fact = engine.at(name);
    Law law;
    law.fixed = fact.at(fact.contains("per_size_s") ? "per_size_s" : "fixed_s");
    law.by_layer = fact.at(fact.contains("per_size_and_layer_s") ? "per_size_and_layer_s" : "per_layer_s");
    if (fact.contains("gpu_factor")) law.slow = fact["gpu_factor"].value(slow_card, 1.0);
    return {name, law};
}

double seconds_in(const EngineLog& log, const char* stage) {
    for (const ColdStartStage& s : log.predicted)
        if (s.name == stage) return s.median_s;
    return 0;
}

class HeldOut {
public:
    explicit HeldOut(const std::vector<EngineLog>& logs) : m_logs(logs) {
        for (const EngineLog& log : logs) {
            for (const auto& [stage, measured] : measured_of(log))
                if (measured && seconds_in(log, stage) > 0) m_points[fact_of(stage, log.capacity).name].push_back(point(log, stage, *measured));
            if (log.profile) m_profiles.emplace_back(log.source, *log.profile);
        }
    }

    std::vector<Comparison> compare() {
        std::vector<Comparison> out;
        for (const EngineLog& log : m_logs) {
            const int generation = log.capacity.profile.generation == EngineGeneration::v1 ? 1 : 0;
            const auto add = [&](const char* metric, double measured, double predicted) {
                out.push_back({log.id, log.source, "cold start, held out", fmt::format("cold start: engine V{}, held out", generation), log.capacity.gpu.name,
                               log.capacity.shape.id.substr(log.capacity.shape.id.find('/') + 1), "start", metric, measured, predicted, ""});
            };
            if (const auto s = again(log, "compile"); s && log.compile) add("compile, s", *log.compile, *s);
            if (const auto s = again(log, "graph_capture"); s && log.capture) add("graph_capture, s", *log.capture, *s);
            if (!log.whole) continue;
            std::optional<double> whole = profile(log);
            for (const char* stage : {"dynamo_trace", "compile", "graph_capture"}) {
                const double shipped = seconds_in(log, stage);
                const bool cached = std::string(stage) == "compile" && !log.compile;
                const auto seconds = shipped <= 0 || cached ? std::optional(shipped) : again(log, stage);
                whole = whole && seconds ? std::optional(*whole + *seconds) : std::nullopt;
            }
            if (whole) add("engine init, s", *log.whole, *whole);
        }
        return out;
    }

private:
    static std::vector<std::pair<const char*, std::optional<double>>> measured_of(const EngineLog& log) {
        return {{"dynamo_trace", log.dynamo}, {"compile", log.compile}, {"graph_capture", log.capture}};
    }
    /// How often the law is to be taken follows from what it says as shipped.
    static Point point(const EngineLog& log, const char* stage, double measured) {
        Point p{log.source, 1, static_cast<double>(log.capacity.shape.layers), measured, std::string(log.capacity.gpu.name) == slow_card};
        p.times = seconds_in(log, stage) / fact_of(stage, log.capacity).shipped(p);
        return p;
    }
    /// The prediction without the log's source; nothing where too little is left, or the stage does not occur.
    std::optional<double> again(const EngineLog& log, const char* stage) const {
        // A compilation that was not measured was cached, which is another fact.
        if (seconds_in(log, stage) <= 0 || (std::string(stage) == "compile" && !log.compile)) return std::nullopt;
        const Fact fact = fact_of(stage, log.capacity);
        std::vector<Point> others;
        std::set<std::string> sources;
        if (const auto all = m_points.find(fact.name); all != m_points.end())
            for (const Point& p : all->second)
                if (p.source != log.source) {
                    others.push_back(p);
                    sources.insert(p.source);
                }
        if (sources.size() < 3) return std::nullopt;
        return fit(others, fact.shipped)(point(log, stage, 0));
    }
    static Law fit(const std::vector<Point>& points, const Law& shipped) {
        const bool slow = std::any_of(points.begin(), points.end(), [](const Point& p) { return p.slow; });
        Eigen::VectorXd start(slow ? 3 : 2);
        start(0) = std::max(shipped.fixed, 1e-6);
        start(1) = std::max(shipped.by_layer, 1e-6);
        if (slow) start(2) = 1;  // what others say of it
        const auto law_of = [&](const Eigen::VectorXd& x) { return Law{x(0), x(1), slow ? x(2) : 1}; };
        LeastSquares least_squares;
        least_squares.hold = Eigen::VectorXd::Constant(start.size(), 1e-3);  // only that a parameter of which nothing is said stands still
        const Eigen::VectorXd best = least_squares(
            [&](const Eigen::VectorXd& x) {
                Eigen::VectorXd residuals(static_cast<Eigen::Index>(points.size()));
                for (std::size_t i = 0; i < points.size(); ++i) residuals(static_cast<Eigen::Index>(i)) = std::log(law_of(x)(points[i]) / points[i].measured);
                return residuals;
            },
            start);
        return law_of(best);
    }
    /// The median of other sources' profiling runs.
    std::optional<double> profile(const EngineLog& log) const {
        std::vector<double> others;
        for (const auto& [source, seconds] : m_profiles)
            if (source != log.source) others.push_back(seconds);
        if (others.size() < 3) return std::nullopt;
        std::sort(others.begin(), others.end());
        return others[others.size() / 2];
    }

    const std::vector<EngineLog>& m_logs;
    std::map<std::string, std::vector<Point>> m_points;  ///< by fact
    std::vector<std::pair<std::string, double>> m_profiles;
};

}  // namespace

std::vector<Comparison> held_out(const std::vector<EngineLog>& logs) { return HeldOut(logs).compare(); }

}  // namespace windtunnel::accuracy
