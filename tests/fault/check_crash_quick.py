"""The quick part of check_crash.py: the points between a decision and its effect.
QUICK"""
import os
import runpy
import sys
sys.argv[2:] = ["quick"]
runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_crash.py"), run_name="__main__")
