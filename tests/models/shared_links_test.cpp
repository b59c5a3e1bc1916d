// Transfers over shared links: against the closed form of processor sharing, against max-min fairness worked
// out by hand, and against a fluid model in long double on random cases.
#include "models/shared_links.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace windtunnel;

namespace {

class Links {
public:
    Links(std::vector<std::int64_t> capacities, std::uint32_t transfers) : m_transfers(transfers) {
        Arena<ContiguousLayout> dry;
        m_links.take_memory(dry, capacities.size(), transfers);
        const std::size_t bytes = dry.used();
        m_memory = std::make_unique<std::max_align_t[]>(bytes / sizeof(std::max_align_t) + 8);
        auto* aligned = reinterpret_cast<unsigned char*>(
            (reinterpret_cast<std::uintptr_t>(m_memory.get()) + 63) / 64 * 64);
        Arena<ContiguousLayout> arena(aligned, bytes, 0);
        m_links.take_memory(arena, capacities.size(), transfers);
        m_links.start();
        for (std::uint32_t l = 0; l < capacities.size(); ++l) m_links.set_capacity(l, capacities[l], Tick{});
    }
    SharedLinks<ContiguousLayout>& operator*() { return m_links; }
    SharedLinks<ContiguousLayout>* operator->() { return &m_links; }

    /// Ends what is through up to `until`, with when.
    void run(Tick until, std::map<std::uint32_t, Tick>& ends) {
        while (m_links.next_change() <= until) {
            const Tick now = m_links.next_change();
            const std::uint32_t t = m_links.first_through(now);
            REQUIRE(t < m_transfers);
            ends[t] = now;
            m_links.end(t, now);
        }
    }

private:
    std::uint32_t m_transfers;
    std::unique_ptr<std::max_align_t[]> m_memory;
    SharedLinks<ContiguousLayout> m_links;
};

constexpr std::int64_t gb = 1'000'000'000;

Route over(std::uint32_t a, std::uint32_t b = no_link, std::uint32_t c = no_link) { return Route{{a, b, c}}; }

}  // namespace

TEST_CASE("wide quotient: a product of 64-bit numbers divided, down and up") {
    CHECK(multiply_divide(7, 6, 4) == 10);
    CHECK(multiply_divide(7, 6, 4, true) == 11);
    // (2^60 + 1) * 2^60 / (2^60 - 1) = 2^60 + 2 + 2/(2^60 - 1)
    const std::uint64_t n = std::uint64_t{1} << 60;
    CHECK(multiply_divide(n + 1, n, n - 1) == n + 2);
    CHECK(multiply_divide(n + 1, n, n - 1, true) == n + 3);
    CHECK(multiply_divide(n, n, 1) == largest_quotient);
    std::mt19937_64 random(1);
    for (int i = 0; i < 200'000; ++i) {
        const std::uint64_t a = random() >> (random() % 64), b = random() >> (random() % 64);
        const std::uint64_t c = (random() >> (random() % 64)) | 1;
        __extension__ using Wide = unsigned __int128;
        const Wide exact = static_cast<Wide>(a) * b / c;
        const std::uint64_t expected = exact > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(exact);
        REQUIRE(multiply_divide(a, b, c) == expected);
    }
}

TEST_CASE("shared links: a storm that begins together ends by processor sharing's closed form, to the tick") {
    // Sizes s1 <= ... <= sn begin together on a link of 1 GB/s: the k-th ends when the k smallest are through
    // and each of the n - k others has had as much as it: s1 + ... + sk + (n - k) sk seconds.
    const std::vector<std::int64_t> sizes = {3, 5, 5, 8, 13, 21, 40};
    Links links({gb}, 7);
    for (std::uint32_t t = 0; t < sizes.size(); ++t)
        links->begin(t, sizes[t] * gb, seconds(sizes[t]), over(0), Tick{});
    std::map<std::uint32_t, Tick> ends;
    links.run(seconds(1000), ends);
    std::int64_t smaller = 0;
    for (std::uint32_t k = 0; k < sizes.size(); ++k) {
        smaller += sizes[k];
        const auto others = static_cast<std::int64_t>(sizes.size() - k - 1);
        INFO(k);
        CHECK(ends.at(k) == seconds(smaller + others * sizes[k]));
    }
    // n equal ones all end at n times what one takes, 90 s for 9 of 10 s.
    Links equal({gb}, 9);
    for (std::uint32_t t = 0; t < 9; ++t) equal->begin(t, 10 * gb, seconds(1), over(0), seconds(7));
    ends.clear();
    equal.run(seconds(1000), ends);
    for (std::uint32_t t = 0; t < 9; ++t) CHECK(ends.at(t) == seconds(97));
}

TEST_CASE("shared links: a later transfer slows an earlier one from its beginning on") {
    // 10 GB at 1 GB/s each, the second 5 s later: the first has 5 GB left, at half the rate 10 s: ends at 15.
    // The second has had 5 GB by then and is alone for the rest: ends at 20.
    Links links({gb}, 2);
    std::map<std::uint32_t, Tick> ends;
    links->begin(0, 10 * gb, seconds(10), over(0), Tick{});
    CHECK(links->next_change() == seconds(10));
    links.run(seconds(5), ends);
    links->begin(1, 10 * gb, seconds(10), over(0), seconds(5));
    CHECK(links->next_change() == seconds(15));
    CHECK(links->bytes_left(0, seconds(7)) == 4 * gb);
    links.run(seconds(100), ends);
    CHECK(ends == std::map<std::uint32_t, Tick>{{0, seconds(15)}, {1, seconds(20)}});
}

TEST_CASE(
    "shared links: who cannot use its share leaves it to the others, and a node's network binds its own") {
    // One source of 10 GB/s; node A's network takes 2 GB/s for its two transfers, the third is limited to 1
    // GB/s by itself, the fourth gets what is left: 10 - 2 - 1 = 7.
    Links links({10 * gb, 2 * gb}, 4);
    links->begin(0, 6 * gb, seconds(1), over(0, 1), Tick{});
    links->begin(1, 6 * gb, seconds(1), over(0, 1), Tick{});
    links->begin(2, 6 * gb, seconds(6), over(0), Tick{});
    links->begin(3, 28 * gb, seconds(1), over(0), Tick{});
    CHECK(links->ends(0) == seconds(6));
    CHECK(links->ends(1) == seconds(6));
    CHECK(links->ends(2) == seconds(6));
    CHECK(links->ends(3) == seconds(4));
}

TEST_CASE("shared links: a source that slows down, stops and comes back") {
    // 10 GB at 1 GB/s; from 4 s on at half of it, from 6 s on not at all, from 20 s on as before: 4 + 1 + 0 +
    // 5 GB.
    Links links({gb}, 1);
    links->begin(0, 10 * gb, seconds(10), over(0), Tick{});
    links->set_capacity(0, gb / 2, seconds(4));
    CHECK(links->next_change() == seconds(16));
    links->set_capacity(0, 0, seconds(6));
    CHECK(links->next_change() == never);
    links->set_capacity(0, gb, seconds(20));
    CHECK(links->next_change() == seconds(25));
    // Alone and as fast as it can be it takes what it says, to the tick, whatever the rounding of rates.
    Links odd({gb}, 1);
    odd->begin(0, 1'234'567'891, Tick{98'765'432'123'457}, over(0), Tick{5});
    CHECK(odd->next_change() == Tick{98'765'432'123'462});
}

TEST_CASE("shared links: transfers elsewhere, and looking in between, move no end by a tick") {
    Links quiet({gb, gb}, 4), busy({gb, gb}, 4);
    for (Links* links : {&quiet, &busy}) {
        (*links)->begin(0, 7 * gb, seconds(1), over(0), Tick{3});
        (*links)->begin(1, 5 * gb, seconds(1), over(0), Tick{77});
    }
    for (int i = 0; i < 50; ++i) {
        const Tick now{1000 + 12'345'678'901 * i};
        busy->begin(2, 11, Tick{13}, over(1), now);
        busy->end(2, now + Tick{5});
        (void)busy->bytes_left(0, now);
    }
    CHECK(quiet->ends(0) == busy->ends(0));
    CHECK(quiet->ends(1) == busy->ends(1));
}

TEST_CASE("shared links: random storms are as the fluid model says, to a nanosecond") {
    struct Flow {
        long double left = 0, limit = 0, rate = 0;
        Route route;
        bool open = false, runs = false;
    };
    for (unsigned seed = 1; seed <= 40; ++seed) {
        std::mt19937_64 random(seed);
        const auto pick = [&](std::int64_t low, std::int64_t high) {
            return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
        };
        std::vector<std::int64_t> capacities;
        for (int l = 0; l < 5; ++l) capacities.push_back(pick(1, 20) * gb / 7);
        constexpr std::uint32_t flows = 30;
        Links links(capacities, flows);
        std::vector<Flow> fluid(flows);
        struct Start {
            Tick at;
            std::int64_t bytes;
            Tick alone;
            Route route;
        };
        std::vector<Start> starts;
        for (std::uint32_t t = 0; t < flows; ++t) {
            const Route route =
                over(static_cast<std::uint32_t>(pick(0, 1)), static_cast<std::uint32_t>(pick(2, 4)));
            starts.push_back({Tick{pick(0, 60 * ticks_per_second)}, pick(1, 30 * gb),
                              Tick{pick(1, 20 * ticks_per_second)}, route});
        }
        std::sort(starts.begin(), starts.end(), [](const Start& a, const Start& b) { return a.at < b.at; });
        // The fluid model: rates by progressive filling in long double, from event to event.
        const auto share = [&] {
            std::vector<long double> rest(capacities.begin(), capacities.end());
            std::vector<int> open(capacities.size(), 0);
            for (Flow& f : fluid)
                if ((f.open = f.runs))
                    for (const std::uint32_t l : f.route.links)
                        if (l != no_link) ++open[l];
            for (bool more = true; more;) {
                more = false;
                long double least = 1e30L;
                for (std::size_t l = 0; l < rest.size(); ++l)
                    if (open[l] > 0) least = std::min(least, rest[l] / open[l]);
                for (const Flow& f : fluid)
                    if (f.open) least = std::min(least, f.limit);
                const std::vector<long double> before = rest;
                const std::vector<int> sharing = open;
                for (Flow& f : fluid) {
                    if (!f.open) continue;
                    bool settled = f.limit <= least * (1 + 1e-15L);
                    for (const std::uint32_t l : f.route.links)
                        if (l != no_link) settled = settled || before[l] / sharing[l] <= least * (1 + 1e-15L);
                    if (!settled) continue;
                    f.open = false;
                    more = true;
                    f.rate = least;
                    for (const std::uint32_t l : f.route.links)
                        if (l != no_link) rest[l] -= least, --open[l];
                }
            }
        };
        std::map<std::uint32_t, long double> expected;
        long double clock = 0;
        const auto go_to = [&](long double until) {
            for (;;) {
                share();
                long double next = until;
                std::uint32_t who = flows;
                for (std::uint32_t t = 0; t < flows; ++t)
                    if (fluid[t].runs && clock + fluid[t].left / fluid[t].rate < next) {
                        next = clock + fluid[t].left / fluid[t].rate;
                        who = t;
                    }
                for (Flow& f : fluid)
                    if (f.runs) f.left -= f.rate * (next - clock);
                clock = next;
                if (who == flows) return;
                fluid[who].runs = false;
                expected[who] = clock;
            }
        };
        std::map<std::uint32_t, Tick> ends;
        for (std::uint32_t t = 0; t < flows; ++t) {
            const Start& s = starts[t];
            links.run(s.at, ends);
            links->begin(t, s.bytes, s.alone, s.route, s.at);
            go_to(static_cast<long double>(s.at.count) / ticks_per_second);
            fluid[t] = {static_cast<long double>(s.bytes),
                        static_cast<long double>(s.bytes) * ticks_per_second /
                            static_cast<long double>(s.alone.count),
                        0,
                        s.route,
                        false,
                        true};
        }
        links.run(never - Tick{1}, ends);
        go_to(1e12L);
        REQUIRE(ends.size() == flows);
        for (std::uint32_t t = 0; t < flows; ++t) {
            INFO("seed " << seed << ", transfer " << t);
            CHECK(std::abs(static_cast<double>(static_cast<long double>(ends[t].count) / ticks_per_second -
                                               expected[t])) < 1e-9);
        }
    }
}
