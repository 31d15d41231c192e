// SPDX-License-Identifier: Apache-2.0

package import Linting

/// Everything that the rules find in a tree, by file and line. Depends on what is handed in alone: reads no file and runs nothing.
package func lint(_ tree: SourceTree, charts: [HelmChart] = [], yaml: YAMLReader) -> [LocatedFinding] {
    let view = TreeView(tree, charts: charts, yaml: yaml)
    let found = view.faults + checks.flatMap { $0(view) }
    return found.firsts { $0 }.sorted { left, right in
        (left.file, left.line, left.column, left.rule, left.message) < (right.file, right.line, right.column, right.rule, right.message)
    }
}

private let checks: [@Sendable (TreeView) -> [LocatedFinding]] = [
    targetsResolve, providersFromResources, bootstrapOrder, sidesStaySeparate, hiddenFiles, indexedAddresses, variablesUsed,
    providersLocked,
    manifestsReadable, stateLocks, stateForgotten, danglingBackslashes, scriptsStopAtErrors, exportsReachSomebody, credentialsReplacedWhole,
    argumentsChecked, credentialsIgnored, argumentsNotLogged, certificatesChecked, secretsMarked, contextsNamed, wipesNameDisks,
    wipesReachLabels, wipesBeforeStorage, disksHaveSerials, rookTakesPlannedDisks, driversFit, talosContract, installImages,
    imagesHoldExtensions, timeSources, literalInterfaces,
    oneKubeProxy, podRangesOfModules, endpointsOutliveNodes, machineNumbers, controlPlanesApart, nodePortsInRange, meshPortsDiffer,
    meshHasTwoDoors, nativeRoutingInTunnels, replacementFindsAPI, announcementsHaveObjects, poolsAreAttached, announcementRates,
    gatewayReleases,
    privilegedNamespaces, capabilitiesComplete, meshCASeeded, valuesAreRead, valuesHaveTypes, sourcesPinned, objectsHaveOneOwner,
    runbookOptions, columnsCut, pagesLead,
]

/// Every rule for trees, by id. A rule that also judges mesh.yaml has one id and one meaning in both.
package let treeRuleCatalogue: [Rule] = [
    Rule(id: "L-ARG-1", severity: .warning, summary: "A script checks that the options it needs were given"),
    Rule(id: "L-CA-1", severity: .error, summary: "The mesh CA is there before Cilium is installed and is not replaced afterwards"),
    Rule(id: "L-CAP-1", severity: .warning, summary: "A list of capabilities has what the chart's own has"),
    Rule(id: "L-CTX-1", severity: .error, summary: "A call names the cluster that it goes to"),
    Rule(id: "L-DOC-1", severity: .error, summary: "A runbook uses options that its script knows"),
    Rule(id: "L-DOC-2", severity: .error, summary: "Machines are not chosen by cutting columns of a list"),
    Rule(id: "L-DOC-3", severity: .info, summary: "Links lead where they say, steps are numbered once, scripts are called by their names"),
    Rule(id: "L-HELM-1", severity: .error, summary: "The chart reads each value that is set"),
    Rule(id: "L-HELM-2", severity: .error, summary: "Each value has a type that the chart's schema allows"),
    Rule(id: "L-HELM-3", severity: .info, summary: "Values that only older releases of the chart read are gone"),
    Rule(id: "L-OWN-1", severity: .error, summary: "Each object of a cluster has one owner"),
    Rule(id: "L-PSA-1", severity: .error, summary: "Namespaces of privileged pods carry the label that admits them"),
    Rule(id: "L-PVE-1", severity: .warning, summary: "Virtual machines that are made together have ids of their own"),
    Rule(id: "L-READ-1", severity: .warning, summary: "Every file of the tree could be read"),
    Rule(id: "L-SEC-1", severity: .error, summary: "Files with credentials are left out of version control"),
    Rule(id: "L-SEC-2", severity: .error, summary: "Arguments with secrets are not printed or logged"),
    Rule(id: "L-SEC-3", severity: .error, summary: "Certificates and host keys are checked, and nobody logs in with a password"),
    Rule(id: "L-SEC-4", severity: .error, summary: "Variables that hold secrets are marked sensitive"),
    Rule(id: "L-SH-1", severity: .warning, summary: "A backslash at the end of a line is followed by the rest of the command"),
    Rule(id: "L-SH-2", severity: .warning, summary: "A script of several steps stops at the first that fails"),
    Rule(id: "L-SH-3", severity: .warning, summary: "What a script exports reaches somebody, unmangled"),
    Rule(id: "L-SH-4", severity: .warning, summary: "A credential file is replaced as a whole, after the new one is there"),
    Rule(id: "L-TAL-1", severity: .warning, summary: "Talos configuration is made for a named release"),
    Rule(
        id: "L-TAL-3", severity: .warning,
        summary: "Machines boot and install one schematic, with the guest agent that they are asked through"),
    Rule(id: "L-TF-1", severity: .error, summary: "Each -target resolves to something"),
    Rule(id: "L-TF-2", severity: .warning, summary: "Providers are not configured from what the same run makes"),
    Rule(id: "L-TF-3", severity: .error, summary: "Talos is bootstrapped after it is configured, and used after it is healthy"),
    Rule(id: "L-TF-4", severity: .error, summary: "What belongs to one cluster does not refer to another"),
    Rule(id: "L-TF-5", severity: .error, summary: "Nothing is switched off by hiding its file"),
    Rule(id: "L-TF-6", severity: .error, summary: "Addresses are not chosen by a constant index"),
    Rule(id: "L-TF-7", severity: .warning, summary: "Variables are used, and for what they are named after"),
    Rule(id: "L-TF-8", severity: .error, summary: "Providers are declared, and locked to what is wanted"),
    Rule(id: "L-TF-9", severity: .error, summary: "Manifests are given one by one, to resources that can plan them"),
    Rule(id: "L-TF-10", severity: .warning, summary: "The state lock is one that the backend can hold"),
    Rule(id: "L-TF-11", severity: .error, summary: "The state is not emptied in place of a destroy"),
    Rule(id: "L-WIPE-1", severity: .error, summary: "A wipe names node, serial and size"),
    Rule(id: "L-WIPE-2", severity: .error, summary: "A wipe reaches every copy of Ceph's label"),
    Rule(id: "L-WIPE-3", severity: .error, summary: "Disks are wiped before storage is installed, not after"),
]

/// The rules of both catalogues that a tree can break, by id; what SARIF lists for a tree.
package let treeRules: [Rule] = {
    let shared: Set<String> = [
        "L-CAP-2", "L-CIDR-1", "L-CIDR-5", "L-CSI-1", "L-DISK-1", "L-EP-1", "L-GW-1", "L-KPR-1", "L-KPR-2", "L-L2-1", "L-L2-2", "L-L2-3",
        "L-NIC-1",
        "L-NP-1", "L-NP-2", "L-NP-3", "L-PIN-1", "L-ROOK-1", "L-TAL-2", "L-TIME-1",
    ]
    return (treeRuleCatalogue + ruleCatalogue.filter { shared.contains($0.id) }).sorted { $0.id < $1.id }
}()

/// The rules of both catalogues, each once, by id.
package let allRules: [Rule] = (treeRuleCatalogue + ruleCatalogue).sorted { $0.id < $1.id }
