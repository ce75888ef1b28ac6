// Command bootstrap is the changes worker as a Lambda function.
package main

import (
	"sluice/workers/changes"
	"sluice/workers/setup"
)

func main() { setup.Start("changes", changes.New) }
