#include "scenarios/compile/start_graph.hpp"

#include "scenarios/documents/suggest.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/dag_shortest_paths.hpp>
#include <boost/graph/topological_sort.hpp>

namespace windtunnel {

namespace {

using StageGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property,
                                    boost::property<boost::edge_weight_t, double>>;

/// Edges from each stage to those that need it; the weight is minus how long the first takes.
class Edges {
public:
    Edges(const std::vector<StartStage>& stages, const SourcePosition& where, const std::string& path)
        : m_stages(stages) {
        for (std::size_t i = 0; i < stages.size(); ++i) add_needs(i, where, path);
    }
    [[nodiscard]] const Problems& problems() const { return m_problems; }
    [[nodiscard]] const std::vector<std::vector<std::size_t>>& needs() const { return m_needs; }

    /// One more vertex in front of all (its number is `stages`) and one behind (`stages` + 1).
    [[nodiscard]] StageGraph graph(bool again) const {
        const std::size_t first = m_stages.size();
        StageGraph g(first + 2);
        for (std::size_t i = 0; i < m_stages.size(); ++i) {
            boost::add_edge(first, i, 0.0, g);
            boost::add_edge(i, first + 1, -takes(i, again), g);
            for (const std::size_t before : m_needs[i]) boost::add_edge(before, i, -takes(before, again), g);
        }
        return g;
    }
    [[nodiscard]] double takes(std::size_t i, bool again) const {
        return again && (m_stages[i].kept >= Kept::node || m_stages[i].is_image()) ? m_stages[i].again_s : m_stages[i].median_s;
    }

private:
    [[nodiscard]] std::optional<std::size_t> find(const std::string& name) const {
        for (std::size_t i = 0; i < m_stages.size(); ++i)
            if (m_stages[i].name == name) return i;
        return {};
    }
    void add_needs(std::size_t i, const SourcePosition& where, const std::string& path) {
        m_needs.emplace_back();
        const StartStage& stage = m_stages[i];
        if (!stage.after) {
            if (i > 0) m_needs[i].push_back(i - 1);
        } else {
            std::vector<std::string> names;
            for (const StartStage& s : m_stages) names.push_back(s.name);
            for (const std::string& name : *stage.after) {
                const auto before = find(name);
                if (!before)
                    m_problems.push_back({where, path, fmt::format("stage {} comes after \"{}\", which is no stage{}",
                                                                   stage.name, name, did_you_mean(name, names))});
                else
                    m_needs[i].push_back(*before);
            }
        }
        for (const std::size_t before : m_needs[i])
            if (stage.is_before_container() && !m_stages[before].is_before_container())
                m_problems.push_back({where, path,
                                      fmt::format("{} comes after {}, allowed: images and init containers come before "
                                                  "what the container does",
                                                  stage.name, m_stages[before].name)});
    }

    const std::vector<StartStage>& m_stages;
    std::vector<std::vector<std::size_t>> m_needs;
    Problems m_problems;
};

/// The longest path, without the two vertices in front and behind.
std::vector<std::size_t> longest_path(const StageGraph& g, std::size_t stages, double& length) {
    std::vector<std::size_t> before(boost::num_vertices(g));
    std::vector<double> distance(boost::num_vertices(g));
    boost::dag_shortest_paths(g, stages, boost::predecessor_map(before.data()).distance_map(distance.data()));
    length = stages == 0 ? 0 : -distance[stages + 1];
    std::vector<std::size_t> path;
    for (std::size_t at = stages == 0 ? stages : before[stages + 1]; at != stages; at = before[at]) path.push_back(at);
    std::reverse(path.begin(), path.end());
    return path;
}

/// What comes before the container first, for the rest the order in which they are given where that is one, else Boost's.
std::vector<std::size_t> order_of(const std::vector<StartStage>& stages, const Edges& edges,
                                  const std::vector<std::size_t>& topological) {
    std::vector<std::size_t> order(stages.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t i = 0; i < order.size(); ++i)
        for (const std::size_t before : edges.needs()[i])
            if (before > i) order = topological;
    std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return stages[i].is_before_container(); });
    return order;
}

}  // namespace

Result<StartGraph> make_start_graph(std::vector<StartStage> stages, const SourcePosition& where,
                                    const std::string& path) {
    if (stages.size() > max_stages)
        return Problem{where, path, fmt::format("found {} stages, allowed: at most {}", stages.size(), max_stages)};
    const Edges edges(stages, where, path);
    if (!edges.problems().empty()) return edges.problems();
    std::vector<std::size_t> topological;
    try {
        std::vector<std::size_t> reversed;
        StageGraph g = edges.graph(false);
        boost::topological_sort(g, std::back_inserter(reversed));
        for (auto v = reversed.rbegin(); v != reversed.rend(); ++v)
            if (*v < stages.size()) topological.push_back(*v);
    } catch (const boost::not_a_dag&) {
        std::string names;
        for (const StartStage& s : stages) names += (names.empty() ? "" : ", ") + s.name;
        return Problem{where, path, fmt::format("goes in a circle: among {} some stage waits for itself", names)};
    }
    StartGraph out;
    const std::vector<std::size_t> critical = longest_path(edges.graph(false), stages.size(), out.total_s);
    (void)longest_path(edges.graph(true), stages.size(), out.again_total_s);
    const std::vector<std::size_t> order = order_of(stages, edges, topological);
    std::vector<std::size_t> place(stages.size());
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
    for (const std::size_t old : order) {
        std::uint32_t needs = 0;
        for (const std::size_t before : edges.needs()[old]) needs |= 1u << place[before];
        out.needs.push_back(needs);
        out.before_container += stages[old].is_before_container() ? 1 : 0;
    }
    for (const std::size_t old : critical) out.critical.push_back(place[old]);
    for (const std::size_t old : order) out.stages.push_back(stages[old]);
    return out;
}

std::string start_text(const StartGraph& graph) {
    std::string text;
    for (const std::size_t i : graph.critical) {
        const StartStage& s = graph.stages[i];
        if (s.median_s <= 0) continue;
        text += fmt::format("{}{} {:.3g} s", text.empty() ? "" : " -> ", s.name, s.median_s);
    }
    return fmt::format("{} = {:.0f} s; on a node that has been through it {:.0f} s", text.empty() ? "nothing" : text,
                       graph.total_s, graph.again_total_s);
}

}  // namespace windtunnel
