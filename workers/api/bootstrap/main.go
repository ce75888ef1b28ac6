// Command bootstrap is the api worker as a Lambda function.
package main

import (
	"sluice/workers/api"
	"sluice/workers/setup"
)

func main() { setup.Start("api", api.New) }
