// Command argocd-notifications is Argo CD's notifications controller, as its module has it: the peer that benches measure beside Gatepost.
package main

import (
	"os"

	"github.com/argoproj/argo-cd/v3/cmd/argocd-notification/commands"
)

func main() {
	if commands.NewCommand().Execute() != nil {
		os.Exit(1)
	}
}
