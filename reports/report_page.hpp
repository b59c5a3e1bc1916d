#pragma once
#include "reports/check.hpp"
#include "reports/observed_trial.hpp"

#include <optional>
#include <string>

namespace windtunnel {

/// Whether this program was built with the page's script (cmake/WindtunnelPage.cmake).
[[nodiscard]] bool has_report_page();

/// What the page shows. Pointers may be null: then there is less on it.
struct PageContent {
    std::string results_json;                     ///< windtunnel.results/v1
    const RunResults* results = nullptr;          ///< the same, for the cards
    const Scenario* source = nullptr;
    const CompiledScenario* scenario = nullptr;
    const ObservedTrial* first = nullptr;         ///< with a timeline, requests and starts
};

/// What the page's script reads: windtunnel.page/v1.
[[nodiscard]] std::string page_data(const PageContent& content);
/// One HTML file that needs no other: data, script and style. Requires has_report_page().
[[nodiscard]] std::string report_page(const PageContent& content);

/// How the first requests differ from the rest (MSER-5 over the TTFT in order of arrival), as a sentence; "" when
/// there are too few to tell.
[[nodiscard]] std::string warm_up_sentence(const ObservedTrial& first);

}  // namespace windtunnel
