// libFuzzer entry: any bytes through the YAML reader and everything that decodes what it made. Bad input
// must end in problems, never in an exception, a crash, a hang or undefined behaviour.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "scenarios/compile/validate_text.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/threshold.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace windtunnel;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    DocumentLimits limits;
    limits.nodes = 20'000;
    auto documents = parse_documents(text, "fuzz.yaml", limits);
    if (size < 200) {
        (void)parse_threshold(text);
        (void)parse_quantity(text);
        (void)parse_go_duration(text);
        (void)parse_nano_usd(text);
        (void)parse_wall_clock(std::string(text), "Etc/UTC");
    }
    if (!documents) return 0;
    Scenario scenario;
    Findings findings;
    for (const Document& document : *documents)
        if (document.root.text_at({"kind"}) == "Scenario") decode_scenario(document, scenario, findings);
    scenario.manifests = import_kubernetes(std::move(*documents), findings);
    (void)validate_text(scenario, findings, true);
    return 0;
}
