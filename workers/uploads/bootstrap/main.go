// Command bootstrap is the uploads worker as a Lambda function.
package main

import (
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

func main() { setup.Start("uploads", uploads.New) }
