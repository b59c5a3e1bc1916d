#include "cli/planner.hpp"

#include "cli/progress.hpp"
#include "reports/sweep.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

/// Finalists that may be run, and among them such that failed in the search by little.
constexpr std::size_t most_finalists = 6, most_near_misses = 2;
constexpr double near_miss = 0.03;

RunFlags silent(RunFlags flags, std::uint32_t skipped) {
    flags.no_progress = true;
    flags.first_trial += skipped;
    return flags;
}

}  // namespace

Planner::Planner(const RunFlags& flags, const PlanRules& rules, const InterruptGuard& interrupt)
    : m_flags(silent(flags, 0)),
      m_fresh_flags(silent(flags, rules.search_trials)),
      m_rules(rules),
      m_interrupt(interrupt),
      m_searching(m_flags, interrupt),
      m_fresh(m_fresh_flags, interrupt) {
    m_flags.quiet = flags.quiet || flags.no_progress;
}

Problems Planner::load() {
    Result<LoadedRun> run = m_searching.load({});
    if (!run) return run.take_problems();
    m_now = std::move(*run);
    return {};
}

bool Planner::run(ConfigurationRunner& runner, Configuration& configuration, std::uint32_t trials) {
    const char* const stage = &runner == &m_fresh ? "fresh" : "search";
    m_report.trials_run += m_file.take_up(stage, trials, m_report.objectives, configuration);
    if (configuration.state == ConfigurationState::refused || configuration.trials.count() >= trials)
        return true;
    const std::uint64_t before = runner.trials_run();
    const bool finished = runner.extend({&configuration}, trials);
    m_report.trials_run += runner.trials_run() - before;
    if (runner.broken().empty() &&
        (configuration.trials.count() > 0 || configuration.state == ConfigurationState::refused))
        m_unwritten = m_file.keep(stage, m_report.dimensions, m_report.objectives, configuration);
    if (!m_unwritten.empty()) return false;
    if (!runner.broken().empty()) {
        m_broken = runner.broken();
        m_broken_flags = set_flags(configuration.point);
    }
    return finished;
}

Configuration Planner::configuration_at(const Place& place) const {
    Configuration c;
    for (std::size_t d = 0; d < place.size(); ++d)
        c.point.choices.push_back(m_report.dimensions[d].choices[place[d]]);
    return c;
}

/// What there is now, or where that is none of the values the middle of them.
Place Planner::present_place() {
    const auto now = canonical_json(*m_now->source);
    Place out;
    for (Dimension& d : m_report.dimensions) {
        for (std::size_t i = 0; !d.present && i < d.choices.size() && d.choices.size() <= 32; ++i) {
            Configuration one;
            one.point.choices = {d.choices[i]};
            const Result<LoadedRun> run = m_searching.load(one);
            if (run && canonical_json(*run->source) == now) d.present = i;
        }
        out.push_back(static_cast<std::uint16_t>(d.present.value_or(d.choices.size() / 2)));
    }
    return out;
}

/// Everything that the steps of a plan follow from.
nlohmann::ordered_json Planner::header() const {
    const PlanReport& r = m_report;
    nlohmann::ordered_json out = {
        {"schema", "windtunnel.plan-checkpoint/v1"},
        {"seed", r.seed},
        {"first_trial", m_flags.first_trial},
        {"scenario", r.hash},
        {"search_trials", r.search_trials},
        {"trials", r.final_trials},
        {"probability", r.probability},
        {"budget", m_rules.budget ? nlohmann::ordered_json(*m_rules.budget) : nullptr},
        {"objectives", nlohmann::ordered_json::array()},
        {"space", nlohmann::ordered_json::array()}};
    for (const Threshold& t : r.objectives) out["objectives"].push_back(t.expression);
    for (const Dimension& d : r.dimensions) {
        nlohmann::ordered_json choices = nlohmann::ordered_json::array();
        for (const auto& c : d.choices) choices.push_back(c.label);
        out["space"].push_back({{"name", d.name}, {"paths", d.paths}, {"choices", choices}});
    }
    return out;
}

Problems Planner::plan(std::vector<Dimension> dimensions, const std::string& checkpoint) {
    PlanReport& r = m_report;
    r.scenario = m_now->scenario.name;
    r.hash = fmt::format("{:016x}", m_now->scenario.hash);
    r.seed = m_now->seed;
    r.objectives = m_now->thresholds;
    r.measures = measures_of(r.objectives);
    r.probability = m_rules.probability;
    r.dimensions = std::move(dimensions);
    r.size = grid_size(r.dimensions);
    r.search_trials = m_rules.search_trials;
    r.final_trials = m_rules.finalist_trials;
    r.warnings = m_now->scenario.warnings;
    for (const Dimension& d : r.dimensions) m_lattice.push_back({d.choices.size(), d.ordered()});
    if (Problems problems = m_file.open(checkpoint, header()); !problems.empty()) return problems;
    const bool finished = search() && run_finalists() && look_around();
    r.complete = finished;
    if (!m_unwritten.empty()) return m_unwritten;
    if (!m_broken.empty()) return {};
    // One that no configuration can be run with is an error of the input, not an answer.
    const bool none_ran =
        !r.tried.empty() && std::all_of(r.tried.begin(), r.tried.end(), [](const Configuration& c) {
            return c.state == ConfigurationState::refused;
        });
    if (finished && none_ran)
        return {
            {{}, "--vary", "found no configuration that can be run; the first: " + r.tried.front().reason}};
    if (r.answer) {
        Result<LoadedRun> run = m_searching.load(r.finalists[*r.answer].configuration);
        if (!run) return run.take_problems();
        m_answer = std::move(*run);
        r.changes = field_changes(*m_now->source, *m_answer->source);
    }
    if (finished) {
        const LoadedRun& run = m_answer ? *m_answer : *m_now;
        r.perfect = perfect_autoscaler(run.scenario, r.objectives, *run.workload(m_flags.first_trial),
                                       from_seconds(m_rules.window_s), m_flags.threads, m_interrupt.flag());
        r.complete = !r.perfect || r.perfect->complete;
    }
    return {};
}

bool Planner::search() {
    SearchRules rules;
    rules.most_places =
        m_rules.budget ? std::min<std::size_t>(*m_rules.budget, m_report.size) : usual_places(m_lattice);
    PlanSearch search(m_lattice, {present_place()}, rules);
    Progress progress("configurations", rules.most_places, m_flags.quiet);
    while (const auto place = search.next()) {
        Configuration c = configuration_at(*place);
        c.index = static_cast<std::uint32_t>(m_report.tried.size());
        if (!run(m_searching, c, m_rules.search_trials)) return false;
        if (c.state == ConfigurationState::waiting) c.state = ConfigurationState::finished;
        m_report.tried.push_back(std::move(c));
        m_places.push_back(*place);
        search.tell(*place, place_result(m_report.tried.back(), m_report.objectives, m_report.cost(),
                                         m_report.probability));
        progress.update(m_report.tried.size());
    }
    m_report.settled = search.settled();
    return true;
}

bool Planner::judge(Finalist& f) {
    const std::uint32_t all = m_rules.finalist_trials;
    // Half of them may be enough to know that it fails.
    for (const std::uint32_t n : {(all + 1) / 2, all}) {
        if (!run(m_fresh, f.configuration, n)) return false;
        if (f.configuration.state == ConfigurationState::refused) return true;
        f.standing = standing_of(f.configuration.trials, m_report.objectives);
        const std::uint64_t missed = f.configuration.trials.count() - f.standing.met;
        if (!enough(all - missed, all, m_rules.probability)) return true;
    }
    f.holds = enough(f.standing.met, f.configuration.trials.count(), m_rules.probability);
    f.configuration.state = ConfigurationState::finished;
    return true;
}

bool Planner::run_finalists() {
    PlanReport& r = m_report;
    r.now.emplace();
    // All of them for comparison: whether the manifests hold as they are is worth knowing.
    if (!run(m_fresh, r.now->configuration, m_rules.finalist_trials)) {
        r.now.reset();
        return false;
    }
    r.now->standing = standing_of(r.now->configuration.trials, r.objectives);
    r.now->holds = enough(r.now->standing.met, r.now->configuration.trials.count(), r.probability);

    struct Entry {
        std::size_t tried;
        PlaceResult result;
    };
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < r.tried.size(); ++i) {
        PlaceResult p = place_result(r.tried[i], r.objectives, r.cost(), r.probability);
        const bool close =
            !p.excess.empty() && *std::max_element(p.excess.begin(), p.excess.end()) <= near_miss;
        if (p.runs && (p.feasible || close)) entries.push_back({i, std::move(p)});
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.result.cost < b.result.cost; });
    std::size_t near_misses = 0;
    for (const Entry& e : entries) {
        if (r.finalists.size() == most_finalists) break;
        if (!e.result.feasible && ++near_misses > most_near_misses) continue;
        Finalist f;
        f.configuration.point = r.tried[e.tried].point;
        if (!judge(f)) return false;
        r.finalists.push_back(std::move(f));
        if (!r.finalists.back().holds) continue;
        r.answer = r.finalists.size() - 1;
        break;
    }
    return true;
}

/// The configuration at a place over the search's trials; nullptr when it was interrupted.
const Configuration* Planner::sought(const Place& place) {
    const auto known = std::find(m_places.begin(), m_places.end(), place);
    if (known != m_places.end()) return &m_report.tried[static_cast<std::size_t>(known - m_places.begin())];
    const auto looked_at = m_around.find(place);
    if (looked_at != m_around.end()) return &looked_at->second;
    Configuration c = configuration_at(place);
    if (!run(m_searching, c, m_rules.search_trials)) return nullptr;
    return &m_around.emplace(place, std::move(c)).first->second;
}

/// Where a configuration stands among the finalists.
std::optional<std::size_t> Planner::judged(const Configuration& c) const {
    const std::vector<std::string> own = c.point.assignments();
    for (std::size_t i = 0; i < m_report.finalists.size(); ++i)
        if (m_report.finalists[i].configuration.point.assignments() == own) return i;
    return std::nullopt;
}

Place Planner::place_of(const Configuration& c) const {
    Place out;
    for (std::size_t d = 0; d < m_report.dimensions.size(); ++d) {
        const auto& choices = m_report.dimensions[d].choices;
        const auto at = std::find_if(choices.begin(), choices.end(), [&](const Choice& one) {
            return one.label == c.point.choices[d].label;
        });
        out.push_back(static_cast<std::uint16_t>(at - choices.begin()));
    }
    return out;
}

/// Runs a place as the search would, and where it looks cheaper than the answer, or as cheap when that is
/// enough, as a finalist. It becomes the answer when it holds and is so.
bool Planner::look_at(const Place& place, bool as_cheap) {
    PlanReport& r = m_report;
    const auto seen = [&](const Configuration& one) {
        return place_result(one, r.objectives, r.cost(), r.probability);
    };
    const auto is_better = [&](double cost, double own) { return cost < own || (as_cheap && cost == own); };
    const Configuration* c = sought(place);
    if (c == nullptr) return false;
    const PlaceResult found = seen(*c);
    if (!found.runs || !found.feasible || !is_better(found.cost, seen(r.sought).cost)) return true;
    std::optional<std::size_t> at = judged(*c);
    if (!at) {
        Finalist f;
        f.configuration.point = c->point;
        if (!judge(f)) return false;
        at = r.finalists.size();
        r.finalists.push_back(std::move(f));
    }
    const Finalist &one = r.finalists[*at], &own = r.finalists[*r.answer];
    if (one.holds && is_better(seen(one.configuration).cost, seen(own.configuration).cost)) r.answer = at;
    return true;
}

/// One step from the answer in each dimension, and on from there while one is cheaper. What may stay as it is
/// at the same cost stays.
bool Planner::look_around() {
    PlanReport& r = m_report;
    if (!r.answer) return true;
    Place answer;
    std::vector<Place> around;
    for (std::optional<std::size_t> from; from != r.answer;) {
        from = r.answer;
        answer = place_of(r.finalists[*from].configuration);
        const Configuration* const here = sought(answer);
        if (here == nullptr) return false;
        r.sought = *here;
        around = neighbours_of(answer, m_lattice);
        for (std::size_t i = 0; i < around.size() && r.answer == from; ++i)
            if (!look_at(around[i], false)) return false;
        for (std::size_t d = 0; d < answer.size() && r.answer == from; ++d) {
            Place kept = answer;
            kept[d] = static_cast<std::uint16_t>(r.dimensions[d].present.value_or(answer[d]));
            if (kept != answer && !look_at(kept, true)) return false;
        }
    }
    for (const Place& p : around) {
        PlanStep s;
        while (p[s.dimension] == answer[s.dimension]) ++s.dimension;
        s.from = r.dimensions[s.dimension].choices[answer[s.dimension]].label;
        s.to = r.dimensions[s.dimension].choices[p[s.dimension]].label;
        const Configuration& c = *sought(p);
        const std::optional<std::size_t> finalist = judged(c);
        s.is_finalist = finalist.has_value();
        s.configuration = finalist ? r.finalists[*finalist].configuration : c;
        r.steps.push_back(std::move(s));
    }
    return true;
}

}  // namespace windtunnel
