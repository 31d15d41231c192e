// SPDX-License-Identifier: Apache-2.0

/// A credential plugin of a kubeconfig (`users[].user.exec`): a program that prints a token or a client certificate.
package struct ExecPlugin: Hashable, Sendable {
    /// `interactiveMode`: whether it wants to talk to a person.
    package enum Interaction: String, Hashable, Sendable {
        case never = "Never"
        case ifAvailable = "IfAvailable"
        case always = "Always"
    }
    /// The version of the protocol that is spoken with it.
    package enum Version: String, Hashable, Sendable, CaseIterable {
        case v1 = "client.authentication.k8s.io/v1"
        case v1beta1 = "client.authentication.k8s.io/v1beta1"
    }

    package var version: Version
    /// A bare name is looked for where tools are; a relative path is already resolved against the kubeconfig's directory.
    package var command: String
    package var arguments: [String]
    package var environment: [String: String]
    /// Whether it is told which cluster it is asked for.
    package var wantsCluster: Bool
    package var interaction: Interaction
    /// What the kubeconfig says when the program is missing.
    package var installHint: String?

    package init(
        version: Version = .v1, command: String, arguments: [String] = [], environment: [String: String] = [:], wantsCluster: Bool = false,
        interaction: Interaction = .ifAvailable, installHint: String? = nil
    ) {
        self.version = version
        self.command = command
        self.arguments = arguments
        self.environment = environment
        self.wantsCluster = wantsCluster
        self.interaction = interaction
        self.installHint = installHint
    }
}
