#include "scenarios/markets/price_list.hpp"
#include "tests/models/shared_data.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

PriceList list_accepted(const std::string& text) {
    std::istringstream in(text);
    auto list = read_price_list(in, "p");
    if (!list) FAIL(to_string(list.problems().front()));
    return std::move(*list);
}
std::string list_refusal(const std::string& text) {
    std::istringstream in(text);
    const auto list = read_price_list(in, "p");
    REQUIRE_FALSE(list);
    return to_string(list.problems().front());
}

}  // namespace

TEST_CASE("price list: SkyPilot's catalogue, with what such lists get wrong") {
    const PriceList list = list_accepted(
        "InstanceType,AcceleratorName,AcceleratorCount,GpuMemGiB,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice,AvailabilityZone\n"
        "g6.xlarge,L4,1.0,24,4,16,0.8048,us-east-1,\"{'Gpus': [{'Name': 'L4'}]}\",0.3,us-east-1a\n"
        "g6f.large,L4,0.125,,2,8,0.2,us-east-1,,,us-east-1a\n"
        "g6.12xlarge,L4,4,96,48,192,4.6,us-east-1,,5.1,us-east-1a\n");
    REQUIRE(list.rows.size() == 3);
    CHECK(list.rows[0].gpu == "l4-24gb");
    CHECK(list.rows[0].on_demand == 804'800'000);
    CHECK(list.rows[0].spot == 300'000'000);
    CHECK_FALSE(list.rows[1].spot);
    CHECK(list.rows[1].gpu_count == 0.125);
    std::string said;
    for (const Problem& p : list.warnings) said += to_string(p) + "\n";
    CHECK_THAT(said, Contains("0.125 of a GPU"));
    CHECK_THAT(said, Contains("96 GiB of GPU memory") && Contains("the sum over its GPUs"));
    CHECK_THAT(said, Contains("costs more on spot (5.1 USD per hour) than on demand (4.6)"));
}

TEST_CASE("price list: Karpenter's prices, a FOCUS export and a list of one's own") {
    const PriceList karpenter = list_accepted(R"({"prices": {"us-central1": {"on_demand": {"g2-standard-8": 0.853624271}, "spot": {"g2-standard-8": 0.34}}}})");
    REQUIRE(karpenter.rows.size() == 1);
    CHECK(karpenter.rows[0].on_demand == 853'624'271);
    CHECK(karpenter.rows[0].gpu == "l4-24gb");
    const PriceList focus = list_accepted(
        "ProviderName,RegionId,ResourceType,PricingCategory,PricingUnit,ListUnitPrice,ContractedUnitPrice,ChargePeriodStart\n"
        "Amazon Web Services,us-east-1,g6.xlarge,Standard,Hours,0.8048,0.7,2026-01-01T00:00:00Z\n"
        "Amazon Web Services,us-east-1,g6.xlarge,Dynamic,Hours,0.35,,2026-01-01T00:00:00Z\n"
        "Amazon Web Services,us-east-1,bucket1,Standard,GB-Mo,0.023,,2026-01-01T00:00:00Z\n");
    REQUIRE(focus.rows.size() == 1);
    CHECK(focus.rows[0].cloud == "aws");
    CHECK(focus.rows[0].on_demand == 700'000'000);
    CHECK(focus.rows[0].spot == 350'000'000);
    // What is written is read back.
    const PriceList again = list_accepted(price_csv(karpenter.rows));
    CHECK(again.rows[0].on_demand == karpenter.rows[0].on_demand);
    CHECK(list_accepted(skypilot_csv(karpenter.rows)).rows[0].spot == karpenter.rows[0].spot);
    CHECK_THAT(list_refusal("a,b\n1,2\n"), Contains("allowed: SkyPilot's catalogue"));
    CHECK_THAT(list_refusal("instance_type,region,price_usd_per_hour\ng6.xlarge,us-east-1,cheap\n"), Contains("p:2") && Contains("found \"cheap\""));
    CHECK_THAT(list_refusal("instance_type,price_usd_per_hour\ng6.xlarge,1\n"), Contains("a region or zone"));
}

TEST_CASE("price list: filters name the nearest, and the cheapest comes first") {
    PriceFilter filter;
    filter.gpu = "L4";
    filter.region = "us-east-1";
    const auto rows = filtered(catalogue_prices(), filter);
    REQUIRE(rows);
    REQUIRE(rows->size() > 3);
    CHECK(rows->front().instance_type == "g6.xlarge");
    for (std::size_t i = 1; i < rows->size(); ++i) CHECK(*(*rows)[i - 1].on_demand <= *(*rows)[i].on_demand);
    filter.region = "us-est-1";
    const auto wrong = filtered(catalogue_prices(), filter);
    REQUIRE_FALSE(wrong);
    CHECK_THAT(wrong.problems().front().message, Contains("us-east-1"));
    const PriceBook book(list_accepted("instance_type,region,zone,price_usd_per_hour,spot_usd_per_hour,committed_usd_per_hour\ng6.xlarge,us-east-1,,0.5,0.2,0.4\ng6.xlarge,us-east-1,us-east-1b,0.5,0.1,\n"));
    CHECK(book.find("aws", "G6.XLARGE", "us-east-1a", CapacityType::spot) == 200'000'000);
    CHECK(book.find("aws", "g6.xlarge", "us-east-1b", CapacityType::spot) == 100'000'000);
    CHECK(book.find("aws", "g6.xlarge", "us-east-1", CapacityType::on_demand) == 400'000'000);
    CHECK_FALSE(book.find("aws", "g6.xlarge", "eu-west-1", CapacityType::on_demand));
}

TEST_CASE("price list: the public lists are read, their defects said") {
    const std::string file = shared_data_file("prices/gpu_catalog_dev.csv");
    if (file.empty()) {
        WARN("../shared/data/prices is not there: skipped");
        return;
    }
    const auto list = read_price_list(std::filesystem::path(file));
    REQUIRE(list);
    CHECK(list->rows.size() == 2310);
    CHECK_FALSE(list->warnings.empty());
    const auto karpenter = read_price_list(std::filesystem::path(shared_data_file("prices/karpenter_gcp_initial-prices_373e2baa.json.gz")));
    REQUIRE(karpenter);
    CHECK(karpenter->rows.size() > 10'000);
}

TEST_CASE("prices: all that is wrong with a list is said at once, and memories that cannot be are not believed") {
    std::istringstream bad("instance_type,region,price_usd_per_hour,memory_gib\ng6.xlarge,us-east-1,-1,16\ng6.2xlarge,us-east-1,abc,32\n");
    const auto refused = read_price_list(bad, "bad.csv");
    REQUIRE_FALSE(refused);
    REQUIRE(refused.problems().size() == 2);
    CHECK(refused.problems()[0].where.line == 2);
    CHECK(refused.problems()[1].where.line == 3);
    std::istringstream odd("cloud,instance_type,region,price_usd_per_hour,memory_gib\naws,g6.xlarge,us-east-1,0.8,16384\naws,mine,us-east-1,1,99999999\naws,g6.2xlarge,us-east-1,1,32\n");
    const auto list = read_price_list(odd, "odd.csv");
    REQUIRE(list);
    REQUIRE(list->warnings.size() == 3);
    CHECK(list->warnings[2].message.find("does not say GPUs, vCPUs of g6.2xlarge, g6.xlarge") != std::string::npos);
    CHECK(list->warnings[0].message.find("it is in MiB") != std::string::npos);
    CHECK(list->rows[0].memory_gib == 16);
    CHECK(list->warnings[1].message.find("no machine has") != std::string::npos);
    CHECK(list->rows[1].memory_gib == 0);
    CHECK(list->rows[2].memory_gib == 32);
}

TEST_CASE("prices: exports in any order, with other currencies and credits") {
    const std::string head = "BillingCurrency,ListUnitPrice,ContractedUnitPrice,PricingUnit,RegionId,SkuMeter,ProviderName,ChargeCategory,PricingCategory,ChargePeriodStart\n";
    std::istringstream in(head + "USD,0.9,0.7,Hours,us-east-1,BoxUsage:g6.xlarge,AWS,Usage,Standard,2025-10-02T00:00:00Z\n"
                                 "USD,0.9,0.8,Hours,us-east-1,BoxUsage:g6.xlarge,AWS,Usage,Standard,2025-10-01T00:00:00Z\n"
                                 "EUR,0.6,0.6,Hours,eu-west-1,BoxUsage:g6.xlarge,AWS,Usage,Standard,2025-10-01T00:00:00Z\n"
                                 "USD,-3,-3,Hours,us-east-1,BoxUsage:g6.xlarge,AWS,Credit,Standard,2025-10-03T00:00:00Z\n");
    const auto list = read_price_list(in, "focus.csv");
    REQUIRE(list);
    REQUIRE(list->rows.size() == 1);
    CHECK(list->rows[0].instance_type == "g6.xlarge");
    CHECK(*list->rows[0].on_demand == 700'000'000);
    CHECK(list->rows[0].vcpus == 4);
    REQUIRE(list->warnings.size() == 1);
    CHECK(list->warnings[0].message.find("EUR") != std::string::npos);
    std::istringstream euros(head + "EUR,0.6,0.6,Hours,eu-west-1,BoxUsage:g6.xlarge,AWS,Usage,Standard,2025-10-01T00:00:00Z\n");
    CHECK(read_price_list(euros, "focus.csv").problems().front().message.find("EUR alone") != std::string::npos);
}

TEST_CASE("prices: Azure's retail prices, on demand, spot and reserved") {
    const auto item = [](const std::string& price, const std::string& more) {
        return R"({"currencyCode":"USD","unitPrice":)" + price + R"(,"armRegionName":"eastus","serviceName":"Virtual Machines","armSkuName":"Standard_NC24ads_A100_v4",)" + more + "}";
    };
    std::istringstream in(R"({"BillingCurrency":"USD","Items":[)" + item("3.6", R"("skuName":"NC24ads A100 v4","unitOfMeasure":"1 Hour","type":"Consumption","effectiveStartDate":"2021-06-01T00:00:00Z")") + "," +
                          item("4.1", R"("skuName":"NC24ads A100 v4","unitOfMeasure":"1 Hour","type":"Consumption","effectiveStartDate":"2020-06-01T00:00:00Z")") + "," +
                          item("7.9", R"("productName":"Virtual Machines NCads Series Windows","skuName":"NC24ads A100 v4","unitOfMeasure":"1 Hour","type":"Consumption")") + "," +
                          item("1.5", R"("skuName":"NC24ads A100 v4 Spot","unitOfMeasure":"1 Hour","type":"Consumption")") + "," +
                          item("17520", R"("skuName":"NC24ads A100 v4","unitOfMeasure":"1 Hour","type":"Reservation","reservationTerm":"1 Year")") + "]}");
    const auto list = read_price_list(in, "azure.json");
    REQUIRE(list);
    REQUIRE(list->rows.size() == 1);
    CHECK(*list->rows[0].on_demand == 3'600'000'000);  // the later of the two
    CHECK(*list->rows[0].spot == 1'500'000'000);
    CHECK(*list->rows[0].committed == 2'000'000'000);  // 17,520 USD over 8,760 hours
    CHECK(list->rows[0].gpu_count == 1);
    std::istringstream parts(R"({"CPU":"0.03","RAM":"0.004","GPU":"0.95"})");
    CHECK(read_price_list(parts, "opencost.json").problems().front().message.find("prices of parts") != std::string::npos);
}
