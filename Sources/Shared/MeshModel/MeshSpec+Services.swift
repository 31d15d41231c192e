// SPDX-License-Identifier: Apache-2.0

/// What is provisioned before the clusters stand, and what is installed on them afterwards.
extension MeshSpec {
    /// The Terraform configuration that makes the machines.
    package struct Provision: Hashable, Sendable, Codable {
        package enum VariableSource: String, Hashable, Sendable, Codable, CaseIterable { case doppler, files, environment }
        /// Relative to the directory of mesh.yaml.
        package var terraformDirectory: String
        package var variablesFrom: VariableSource
        /// Variables of the coordinator's environment that Terraform gets: its providers' and its backend's credentials. Names only.
        package var environment: [String]?
        /// Parts that are planned and applied one after the other; absent when the directory is provisioned in one go.
        package var phases: [Phase]?
        package init(
            terraformDirectory: String, variablesFrom: VariableSource = .files, environment: [String]? = nil, phases: [Phase]? = nil
        ) {
            self.terraformDirectory = terraformDirectory
            self.variablesFrom = variablesFrom
            self.environment = environment
            self.phases = phases
        }

        /// One part of a Terraform configuration: the addresses it may change, and no others.
        package struct Phase: Hashable, Sendable, Codable {
            package var name: String
            /// Modules, resources or instances, each with everything below it; empty: the whole configuration.
            package var addresses: [String]
            /// Values for variables of the configuration; never secrets.
            package var variables: [String: String]
            /// True when even a change in place is refused.
            package var createsOnly: Bool?
            package init(name: String, addresses: [String] = [], variables: [String: String] = [:], createsOnly: Bool? = nil) {
                self.name = name
                self.addresses = addresses
                self.variables = variables
                self.createsOnly = createsOnly
            }
        }

        /// The phases in their order, or one `nil` for the whole.
        package var phasesOrWhole: [Phase?] {
            guard let phases, !phases.isEmpty else { return [nil] }
            return phases
        }
    }

    /// Where Doppler keeps the mesh's secrets.
    package struct Secrets: Hashable, Sendable, Codable {
        package var dopplerProject: String
        package var dopplerConfig: String
        package init(dopplerProject: String, dopplerConfig: String) {
            self.dopplerProject = dopplerProject
            self.dopplerConfig = dopplerConfig
        }
    }

    /// Something installed after the mesh stands.
    package struct Service: Hashable, Sendable, Codable {
        package enum Source: Hashable, Sendable, Codable {
            case chart(repository: String, name: String, version: String)
            case manifest(path: String)
            case playbook(path: String)
            /// A phase of `provision`, applied when the clusters of the service stand, once for all of them.
            case terraform(phase: String)
            /// Meshgate itself brings it; only for names of the catalogue.
            case builtIn
        }
        /// Where a secret value is read when it is needed. The value itself is in no file, plan or journal of ours.
        package enum SecretReference: Hashable, Sendable, Codable {
            /// A variable of the coordinator's environment.
            case environment(variable: String)
            /// A file, relative to the directory of mesh.yaml; one line end at its end does not count.
            case file(path: String)
        }
        package var name: String
        package var source: Source
        /// In the order of the file; `all` is already expanded.
        package var clusters: [ClusterName]
        /// Where it is installed; absent for the catalogue's choice, or its own name.
        package var namespace: String?
        /// Helm values, or variables of a playbook; absent when there are none.
        package var values: [String: HelmValue]?
        /// The same, for values that are secret, by dotted key.
        package var secretValues: [String: SecretReference]?
        /// Of the manifest, or of the chart's archive: what is fetched is applied only when it has this digest.
        package var sha256: Digest?
        /// The Python environment that has `bin/ansible-playbook`, relative to the directory of mesh.yaml.
        package var virtualEnvironment: String?
        /// The hosts outside of its cluster that it may be configured to talk to; absent where that is recorded only.
        package var egress: [HostPattern]?
        package init(
            name: String, source: Source, clusters: [ClusterName], namespace: String? = nil, values: [String: HelmValue]? = nil,
            secretValues: [String: SecretReference]? = nil, sha256: Digest? = nil, virtualEnvironment: String? = nil,
            egress: [HostPattern]? = nil
        ) {
            self.name = name
            self.source = source
            self.clusters = clusters
            self.namespace = namespace
            self.values = values
            self.secretValues = secretValues
            self.sha256 = sha256
            self.virtualEnvironment = virtualEnvironment
            self.egress = egress
        }
    }
}
