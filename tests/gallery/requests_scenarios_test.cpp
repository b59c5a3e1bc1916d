// Requests whose servers are ill or are taken away, in the shipped scenarios; and what every row declares.
#include "reports/gallery_report.hpp"
#include "reports/observed_trial.hpp"
#include "reports/results.hpp"
#include "tests/gallery/shipped_scenario.hpp"

#include <nlohmann/json.hpp>

using namespace gallery;

namespace {

std::size_t ended(const Shown& shown, RequestEnd how, Tick from, Tick to) {
    const auto all = shown.arrived(from, to);
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const RequestRecord& r) { return r.end == how; }));
}

}  // namespace

TEST_CASE("every row of the gallery declares its scenarios, and numbers that results have") {
    const Result<std::vector<GalleryRow>> rows = read_gallery(folder().string());
    if (!rows)
        for (const Problem& p : rows.problems()) UNSCOPED_INFO(p.where.file << ": " << p.path << ": " << p.message);
    REQUIRE(rows);
    const auto document_of = [](const std::string& file) {
        const Shown shown = show(file);
        ObservationPlan watch;
        watch.cluster = &shown.run.scenario;
        RunResults results = results_of(shown.run.scenario, shown.run.thresholds, 1, "cpu");
        results.trials.push_back(numbers_of(shown.run.scenario, shown.run.thresholds, shown.outcome));
        results.cluster = observe_trial([&](std::uint32_t growth) { return build(shown.run.scenario.parts, growth); },
                                        shown.trace->view(), {shown.run.seed, 0}, ServerKind::fast, watch).cluster;
        return nlohmann::ordered_json::parse(results_json(results));
    };
    const auto document = document_of("rolling-update-downtime/surge.yaml");
    std::size_t folders = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) folders += entry.is_directory() ? 1 : 0;
    CHECK(rows->size() == folders);
    for (const GalleryRow& row : *rows) {
        INFO(row.name);
        std::vector<std::string> declared, there;
        for (const GalleryVariant& v : row.variants)
            if (!v.refused) declared.push_back(std::filesystem::path(v.file).filename().string());
        for (const auto& file : std::filesystem::directory_iterator(folder() / row.name))
            if (file.path().extension() == ".yaml" && file.path().filename() != "gallery.yaml")
                there.push_back(file.path().filename().string());
        CHECK(declared.front() == "scenario.yaml");
        std::sort(declared.begin(), declared.end());
        std::sort(there.begin(), there.end());
        CHECK(declared == there);
        // Alerts are those of the row's own rules, starts have its own stages.
        const bool alerts = std::any_of(row.metrics.begin(), row.metrics.end(),
                                        [](const GalleryMetric& m) { return m.path.starts_with("alerts.") || m.path.starts_with("starts."); });
        const std::vector<nlohmann::ordered_json> all(
            row.variants.size(), alerts ? document_of(row.name + "/scenario.yaml") : document);
        const Result<GalleryComparison> comparison = compare_variants(row, all);
        if (!comparison)
            for (const Problem& p : comparison.problems()) UNSCOPED_INFO(p.message);
        CHECK(comparison);
    }
}

TEST_CASE("degraded-but-alive: liveness on /health keeps the ill pod, one that runs an inference replaces it") {
    const Shown errors = show("degraded-but-alive/scenario.yaml"), checked = show("degraded-but-alive/inference.yaml");
    CHECK(errors.outcome.tally.container_restarts == 0);
    CHECK(checked.outcome.tally.container_restarts == 1);
    // Until the end: a pod that fails at once always has none in flight, and the others get one only when they have
    // none either. At random it were a quarter.
    CHECK(ended(errors, RequestEnd::failed, seconds(600), hours(1)) >
          errors.arrived(seconds(600), hours(1)).size() / 2);
    // Probes start every 20 s; the third that fails is begun 40 to 60 s after the pod fell ill. vLLM ends within a
    // second of SIGTERM, and the router learns a second later still.
    CHECK(ended(checked, RequestEnd::failed, seconds(600), seconds(664)) > 10);
    CHECK(ended(checked, RequestEnd::failed, seconds(664), hours(1)) == 0);
    CHECK(checked.count(PodState::ready, seconds(700)) == 3);
    CHECK(checked.count(PodState::ready, seconds(660 + 250 + 15)) == 4);

    const Shown crawls = show("degraded-but-alive/crawls.yaml"), caught = show("degraded-but-alive/crawls-inference.yaml");
    CHECK(crawls.outcome.tally.container_restarts == 0);
    CHECK(caught.outcome.tally.container_restarts == 1);
    // Nothing is answered with an error; the crawling pod's requests are late or given up.
    CHECK(ended(crawls, RequestEnd::failed, Tick{}, hours(1)) == 0);
    const auto good = [](const Shown& shown) { return shown.outcome.tally.good; };
    INFO(good(errors) << " " << good(checked) << " " << good(crawls) << " " << good(caught) << " good of "
                      << crawls.requests.size());
    CHECK(good(caught) > good(crawls) + crawls.requests.size() / 50);
    CHECK(good(checked) > 2 * good(errors));
}

TEST_CASE("scale-down-kills-work: a plain pop loses jobs, a short time-out does them twice, a drain neither") {
    const Shown popped = show("scale-down-kills-work/scenario.yaml"),
                hidden = show("scale-down-kills-work/visibility.yaml"),
                hasty = show("scale-down-kills-work/short-visibility.yaml"),
                drained = show("scale-down-kills-work/drain.yaml");
    const auto tally = [](const Shown& shown) -> const Tally& { return shown.outcome.tally; };
    INFO(tally(popped).requests.failed << " lost jobs");
    CHECK(tally(popped).requests.failed >= 9);  // three workers, three times, with some jobs each
    CHECK(tally(popped).requests.failed == tally(popped).lost_attempts);
    CHECK(tally(popped).lost_output_tokens > 0);
    // Hidden for ten minutes: nothing is lost for good, each cut job is done again, once, ten minutes after it was
    // taken.
    CHECK(tally(hidden).requests.failed == 0);
    CHECK(tally(hidden).requests.completed == hidden.requests.size());
    CHECK(tally(hidden).redelivered == tally(hidden).lost_attempts);
    CHECK(tally(hidden).redelivered >= 9);
    CHECK(tally(hidden).duplicate_output_tokens == 0);
    std::size_t late = 0;
    for (const RequestRecord& r : hidden.requests) late += r.finish - r.arrival > minutes(10) ? 1 : 0;
    CHECK(late >= tally(hidden).redelivered);
    // One minute is less than most jobs take: most are handed out again while they are worked on.
    CHECK(tally(hasty).redelivered > hasty.requests.size() / 2);
    CHECK(tally(hasty).duplicate_output_tokens > tally(hasty).output_tokens / 4);
    CHECK(tally(drained).requests.completed == drained.requests.size());
    CHECK(tally(drained).lost_attempts == 0);
    CHECK(tally(drained).redelivered == 0);
    CHECK(tally(drained).duplicate_output_tokens == 0);
}
