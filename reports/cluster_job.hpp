#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// A run that a cluster computes: what the manifests that start it say.
struct ClusterJob {
    std::string name, name_space;        ///< of the object; "" = kubectl's namespace
    std::string image;                   ///< holds windtunnel (for MPI windtunnel-mpi and sshd as well)
    std::string claim;                   ///< PersistentVolumeClaim with the scenario's files; parts and results go there
    std::string memory = "2Gi";          ///< of one pod
    std::uint32_t parts = 1;             ///< pods; for MPI workers
    std::uint32_t threads = 1;           ///< of one pod, and its CPUs
    std::vector<std::string> arguments;  ///< of `windtunnel run`, the scenario first
    std::string version;                 ///< of this program
};

/// A Job with an index per part (Kubernetes, "Indexed Job", stable since 1.24; backoffLimitPerIndex since 1.33).
[[nodiscard]] std::string indexed_job_yaml(const ClusterJob& job);
/// An MPIJob of Kubeflow's MPI operator (kubeflow.org/v2beta1).
[[nodiscard]] std::string mpi_job_yaml(const ClusterJob& job);

/// A name that Kubernetes takes (RFC 1123 label), made from any text.
[[nodiscard]] std::string object_name_of(const std::string& text);

}  // namespace windtunnel
