package store

import (
	"math/bits"
	"runtime"
)

const canReserve = bits.UintSize == 64 && runtime.GOOS != "windows"
