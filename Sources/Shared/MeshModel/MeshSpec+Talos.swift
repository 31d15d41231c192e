// SPDX-License-Identifier: Apache-2.0

extension MeshSpec {
    /// What the machine configuration of a Talos cluster holds besides what the rest of the spec says of it.
    package struct Talos: Hashable, Sendable, Codable {
        /// How Talos learns about its machine; part of the installer image.
        package enum Platform: String, Hashable, Sendable, Codable, CaseIterable { case metal, nocloud }
        package var platform: Platform
        /// Official extensions, `siderolabs/qemu-guest-agent`, that the Image Factory puts into the image.
        package var extensions: [String]
        /// Further arguments of the kernel's command line.
        package var kernelArguments: [String]
        package var timeServers: [String]
        /// The repository of an installer of one's own, without a tag; absent where the Image Factory's is used.
        package var installer: String?
        package init(
            platform: Platform = .metal, extensions: [String] = [], kernelArguments: [String] = [], timeServers: [String] = [],
            installer: String? = nil
        ) {
            self.platform = platform
            self.extensions = extensions
            self.kernelArguments = kernelArguments
            self.timeServers = timeServers
            self.installer = installer
        }
    }
}

extension MeshSpec.Cilium {
    /// The port of KubePrism, where Cilium reaches the API server through it.
    package var localPort: Int? {
        ["localhost", "127.0.0.1", "::1"].contains(k8sServiceHost) ? k8sServicePort ?? 7445 : nil
    }
}
