#include "models/instance_types.hpp"
#include "models/gpu_catalog.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace windtunnel;

TEST_CASE("prices are integers by cloud, region or zone, and capacity type") {
    const auto g5 = get_instance_type("aws", "g5.xlarge");
    REQUIRE(g5.ok());
    CHECK((*g5)->gpu == "a10g-24gb");
    CHECK((*g5)->gpu_count == 1);
    CHECK((*g5)->vcpus == 4);
    CHECK((*g5)->local_nvme_gb == 250);
    // 1.006 USD per hour on demand in us-east-1 (AWS price list, 2025-11-30).
    CHECK(*instance_price(**g5, "us-east-1", CapacityType::on_demand) == 1'006'000);
    CHECK(*instance_price(**g5, "us-east-1b", CapacityType::on_demand) == 1'006'000);
    CHECK(*instance_price(**g5, "us-east-1", CapacityType::spot) < 1'006'000);
    CHECK((*get_instance_type("gke", "G2-STANDARD-8"))->gpu == "l4-24gb");
    CHECK((*get_instance_type("azure", "standard_nc24ads_a100_v4"))->gpu == "a100-pcie-80gb");
}

TEST_CASE("a price that is not there says where it is") {
    const InstanceType& p5e = **get_instance_type("aws", "p5e.48xlarge");
    CHECK(instance_price(p5e, "us-east-1", CapacityType::on_demand).problems()[0].path == "region");
    const InstanceType& nc = **get_instance_type("azure", "Standard_NC24ads_A100_v4");
    const auto spot = instance_price(nc, "eastus", CapacityType::spot);
    REQUIRE_FALSE(spot.ok());
    CHECK(spot.problems()[0].path == "capacity_type");
    const InstanceType& a2 = **get_instance_type("gcp", "a2-highgpu-1g");
    const auto region = instance_price(a2, "mars-north1", CapacityType::on_demand);
    REQUIRE_FALSE(region.ok());
    CHECK(region.problems()[0].message.find("'us-central1'") != std::string::npos);
    const auto zone = instance_price(a2, "us-central1-z", CapacityType::on_demand);
    REQUIRE_FALSE(zone.ok());
    CHECK(zone.problems()[0].path == "zone");
}

TEST_CASE("unknown clouds and types are answered with the nearest") {
    CHECK(get_instance_type("aws", "g5.xlrge").problems()[0].message.find("did you mean 'g5.xlarge'") !=
          std::string::npos);
    CHECK(get_cloud("oracle").problems()[0].message.find("'aws', 'gcp', 'azure' or 'oci'") != std::string::npos);
    CHECK((*get_cloud("AWS"))->spot_notice_s == 120);
    CHECK((*get_cloud("gcp"))->spot_notice_s == 30);
}

TEST_CASE("zones belong to regions as each cloud writes them") {
    CHECK(region_of_zone("aws", "us-east-1a") == "us-east-1");
    CHECK(region_of_zone("aws", "us-east-1") == "us-east-1");
    CHECK(region_of_zone("gcp", "us-central1-b") == "us-central1");
    CHECK(region_of_zone("gcp", "us-central1") == "us-central1");
    CHECK(region_of_zone("azure", "eastus-2") == "eastus");
    CHECK(region_of_zone("azure", "westus2") == "westus2");
}

TEST_CASE("oci: shapes and their prices by GPU, availability domains by both of their spellings") {
    const InstanceType& h100 = **get_instance_type("oke", "bm.gpu.h100.8");
    CHECK(h100.gpu_count == 8);
    CHECK(*instance_price(h100, "us-ashburn-1", CapacityType::on_demand) == 80'000'000);  // 8 x 10 USD
    CHECK(*instance_price(h100, "Uocm:IAD-AD-2", CapacityType::on_demand) == 80'000'000);
    CHECK(region_of_zone("oci", "ap-tokyo-1-AD-1") == "ap-tokyo-1");
    CHECK(region_of_zone("oci", "eu-frankfurt-1") == "eu-frankfurt-1");
    CHECK(instance_price(h100, "us-ashburn-1", CapacityType::spot).problems()[0].path == "capacity_type");
    CHECK(instance_types_with("oci", "a10-24gb", 1, "uk-london-1")[0]->name == "VM.GPU.A10.1");
}

TEST_CASE("every type has a GPU of the catalogue or none, and sane prices") {
    std::set<std::string> names;
    for (const InstanceType& type : all_instance_types()) {
        INFO(type.cloud << " " << type.name);
        CHECK(names.insert(type.cloud + type.name).second);
        CHECK((type.gpu_count == 0 ? type.gpu.empty() : get_gpu(type.gpu).ok()));
        CHECK(type.vcpus >= (type.gpu_count == 0 ? 1 : 4));
        CHECK(type.network_gbits_per_s > 0);
        for (const auto& [region, price] : type.prices) {
            CHECK(price.on_demand > (type.gpu_count == 0 ? 30'000 : 100'000));
            CHECK(price.on_demand < 250'000'000);
            if (price.spot) CHECK(*price.spot > 0);
        }
    }
    CHECK(names.size() > 100);
    const auto eights = instance_types_with("aws", "h100-sxm-80gb", 2, "us-east-1");
    REQUIRE_FALSE(eights.empty());
    CHECK(eights[0]->name == "p5.48xlarge");
    CHECK(instance_types_with("aws", "l4-24gb", 1, "us-east-1")[0]->name == "g6.xlarge");
}
