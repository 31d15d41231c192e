// SPDX-License-Identifier: Apache-2.0

internal import MeshSystem

/// The hypervisor's API in a lab: a process of its own, and what mesh.yaml has to know of it.
struct LabProxmox: Sendable {
    let paths: LabPaths
    let processes: LabProcesses
    let program: String

    private static let process = "proxmox-api"

    /// Starts it on the hypervisor's files; returns `api` for mesh.yaml.
    func start() async throws -> LabMeshFile.API {
        try LabStandInProxmox.prepare(paths.proxmox)
        let process = try processes.start(
            Self.process, program, ["lab", "stand-in-proxmox", "--root", paths.hypervisor, "--identity", paths.proxmox], in: .rootNamespace)
        let port = try await LabPatience.value(
            "hear the port of the stand-in Proxmox API", for: .seconds(20), remedy: "see \(paths.log(Self.process))",
            while: { process.isAlive }, look: { LabFiles.text(paths.proxmox + "/port").flatMap { UInt16($0) } })
        return LabMeshFile.API(
            server: "https://127.0.0.1:\(port)", authority: paths.proxmox + "/ca.pem", token: paths.proxmox + "/token")
    }
}
