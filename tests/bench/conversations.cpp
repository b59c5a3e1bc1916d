#include "tests/bench/conversations.hpp"

#include "models/quantile_table.hpp"
#include "models/random.hpp"

#include <algorithm>

namespace windtunnel {

Conversations conversations(const ConversationSpec& spec, std::uint32_t tokens_per_node) {
    const QuantileTable gap = exponential_table(static_cast<double>(ticks_per_second) / spec.rate);
    const QuantileTable in = lognormal_table(spec.prompt, 0.5, 1, 16 * spec.prompt),
                        out = lognormal_table(spec.output, 0.7, 1, 2048);
    RandomStream gaps(1, 0, StreamPurpose::arrivals, 0), ins(1, 0, StreamPurpose::prompt_length, 0),
        outs(1, 0, StreamPurpose::output_length, 0);
    struct Talk {
        std::vector<std::uint32_t> nodes;
        std::uint32_t tokens = 0, turns = 0;
    };
    std::vector<Talk> open(64);  // at the same time
    std::uint32_t fresh = spec.groups * spec.shared_nodes;
    Conversations made;
    Tick now;
    for (std::uint64_t i = 0; i < spec.requests; ++i) {
        now.count += gap.sample(gaps.next_u64());
        Talk& talk = open[ins.next_u64() % open.size()];
        if (talk.turns == spec.turns || talk.turns == 0) {
            talk = {};
            if (const std::uint64_t group = ins.next_u64() % (2 * spec.groups); group < spec.groups) {
                for (std::uint32_t n = 0; n < spec.shared_nodes; ++n)
                    talk.nodes.push_back(static_cast<std::uint32_t>(group) * spec.shared_nodes + n);
                talk.tokens = spec.shared_nodes * tokens_per_node;
            }
        }
        ++talk.turns;
        Request r;
        r.arrival = now;
        const auto said = static_cast<std::uint32_t>(in.sample(ins.next_u64()));
        const std::uint32_t before = talk.tokens;
        talk.tokens = std::max(before + 1, spec.turns == 1 ? std::max(said, before + 1) : before + said);
        talk.tokens = std::min(talk.tokens, 100'000u);
        r.prompt_tokens = talk.tokens;
        r.output_tokens = static_cast<std::uint32_t>(out.sample(outs.next_u64()));
        talk.nodes.resize(std::min<std::size_t>(talk.nodes.size(), before / tokens_per_node));  // what was not full goes on otherwise
        while (talk.nodes.size() < (talk.tokens + tokens_per_node - 1) / tokens_per_node) talk.nodes.push_back(fresh++);
        r.prefix = static_cast<std::uint32_t>(made.nodes.size() + 1);
        r.prefix_count = static_cast<std::uint16_t>(talk.nodes.size());
        made.nodes.insert(made.nodes.end(), talk.nodes.begin(), talk.nodes.end());
        made.requests.push_back(r);
    }
    return made;
}

}  // namespace windtunnel
